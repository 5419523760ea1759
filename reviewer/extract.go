package reviewer

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"postern/crypto"
	"postern/reviewer/plain"
	"postern/store/durable"
)

// Extracted is one file that was written in clear, because it was asked for by name.
type Extracted struct {
	Path   string
	Size   int64
	SHA256 [32]byte
}

// maxTries bounds how many names are tried before a folder is called full of them.
const maxTries = 1000

// outFolder is a folder that files in clear are written to. os.Root keeps every
// name inside it, whatever the name is (SECURITY.md S-15).
type outFolder struct {
	root *os.Root
	dir  string
}

// openOut opens dir, made if it is not there, for its owner alone.
func openOut(dir string) (*outFolder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &outFolder{root: root, dir: dir}, nil
}

// create writes a new file under a safe form of name. It never overwrites: a
// name that is taken gets a number before its extension. On error nothing stays.
func (o *outFolder) create(name string, write func(io.Writer) error) (*Extracted, error) {
	f, name, err := o.open(plain.SafeName(name))
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	w := &countWriter{w: io.MultiWriter(f, h)}
	err = write(w)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(err, o.root.Remove(name))
	}
	return &Extracted{Path: filepath.Join(o.dir, name), Size: w.n, SHA256: [32]byte(h.Sum(nil))}, nil
}

func (o *outFolder) open(name string) (*os.File, string, error) {
	ext := path.Ext(name)
	base := strings.TrimSuffix(name, ext)
	for i := 1; i <= maxTries; i++ {
		try := name
		if i > 1 {
			try = base + "-" + strconv.Itoa(i) + ext
		}
		f, err := o.root.OpenFile(try, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		return f, try, err
	}
	return nil, "", errors.New("too many files of this name in the folder: name another one")
}

func (o *outFolder) close() error { return errors.Join(durable.SyncDir(o.dir), o.root.Close()) }

// Extract writes one file of a case, by its number in the case, in clear into
// dir: the original bytes, under a safe form of the sender's name, for the owner alone, never over
// another file. The bytes are verified against the hash inside the message before
// the file counts as written.
func (desk *Desk) Extract(c *Case, no int, dir string) (*Extracted, error) {
	for i := range c.Messages {
		m := &c.Messages[i]
		for j, f := range m.Files {
			if f.No != no {
				continue
			}
			out, err := openOut(dir)
			if err != nil {
				return nil, fmt.Errorf("extracting: %w", err)
			}
			x, err := desk.extract(out, c, m, j, "")
			if err := errors.Join(err, out.close()); err != nil {
				return nil, fmt.Errorf("extracting: %w", err)
			}
			return x, nil
		}
	}
	return nil, fmt.Errorf("extracting: the case has no file %d", no)
}

// ExtractText writes the words of a message, by its number in the case, in clear into dir:
// the bytes as they came, hostile ones too, as [Desk.Extract] writes files.
func (desk *Desk) ExtractText(c *Case, no int, dir string) (*Extracted, error) {
	i := slices.IndexFunc(c.Messages, func(m Message) bool { return m.No == no })
	if i < 0 {
		return nil, fmt.Errorf("extracting: the case has no message %d", no)
	}
	l, err := desk.Read(c, &c.Messages[i])
	if err != nil {
		return nil, fmt.Errorf("extracting: %w", err)
	}
	if l.Words == "" {
		return nil, fmt.Errorf("extracting: message %d has no words of its own", no)
	}
	out, err := openOut(dir)
	if err != nil {
		return nil, fmt.Errorf("extracting: %w", err)
	}
	x, err := out.words(l)
	if err := errors.Join(err, out.close()); err != nil {
		return nil, fmt.Errorf("extracting: %w", err)
	}
	return x, nil
}

// words writes the words of a message.
func (o *outFolder) words(l *Letter) (*Extracted, error) {
	return o.create(fmt.Sprintf("text%d.txt", l.No), func(w io.Writer) error {
		_, err := io.WriteString(w, l.Words)
		return err
	})
}

// extract writes file j of message m under the name that prefix and the sender give it.
func (desk *Desk) extract(out *outFolder, c *Case, m *Message, j int, prefix string) (*Extracted, error) {
	r, closer, err := desk.vault.OpenBlob(c.entries[m.at].Blob)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	var x *Extracted
	at := 0
	_, err = crypto.ReadMessage(r, func(f crypto.File, fr io.Reader) (err error) {
		if at++; at-1 != j {
			return nil
		}
		name := f.Name
		if prefix != "" {
			name = prefix + plain.SafeName(name)
		}
		x, err = out.create(name, func(w io.Writer) error {
			_, err := io.Copy(w, fr)
			return err
		})
		return err
	})
	if want := m.Files[j]; err == nil && (x == nil || x.SHA256 != want.SHA256 || x.Size != want.Size) {
		err = errors.New("the file differs from what was imported")
	}
	if err != nil && x != nil { // the message did not end as it should
		err = errors.Join(err, os.Remove(x.Path))
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

// ExtractCase writes a whole case in clear into dir, which must not exist or
// be empty: case.txt with every message as it is shown, text1.txt and so on with the
// bytes of its words, the files, and SHA256SUMS, which `sha256sum -c` checks.
func (desk *Desk) ExtractCase(c *Case, dir string) ([]Extracted, error) {
	if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		return nil, fmt.Errorf("extracting: %s is not empty: name a new folder", dir)
	}
	out, err := openOut(dir)
	if err != nil {
		return nil, fmt.Errorf("extracting: %w", err)
	}
	all, err := desk.extractCase(out, c)
	if err := errors.Join(err, out.close()); err != nil {
		return nil, fmt.Errorf("extracting: %w", err)
	}
	return all, nil
}

func (desk *Desk) extractCase(out *outFolder, c *Case) ([]Extracted, error) {
	x, err := out.create("case.txt", func(w io.Writer) error {
		b := bufio.NewWriter(w)
		return errors.Join(desk.WriteCase(b, c), b.Flush())
	})
	if err != nil {
		return nil, err
	}
	all := []Extracted{*x}
	for i := range c.Messages {
		m := &c.Messages[i]
		l, err := desk.Read(c, m)
		if err != nil {
			continue // case.txt says so
		}
		if l.Words != "" {
			x, err := out.words(l)
			if err != nil {
				return nil, err
			}
			all = append(all, *x)
		}
		for j, f := range m.Files {
			x, err := desk.extract(out, c, m, j, fmt.Sprintf("file%d-", f.No))
			if err != nil {
				return nil, err
			}
			all = append(all, *x)
		}
	}
	sums, err := out.create("SHA256SUMS", func(w io.Writer) error {
		for _, x := range all {
			if _, err := fmt.Fprintf(w, "%s  %s\n", hex.EncodeToString(x.SHA256[:]), filepath.Base(x.Path)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(all, []Extracted{*sums}), nil
}
