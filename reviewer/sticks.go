package reviewer

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postern/crypto"
)

// Sticks are the folders in which a desktop shows sticks that are plugged in.
func Sticks() (list []string) {
	for _, pattern := range []string{"/media/*/*", "/run/media/*/*"} {
		found, _ := filepath.Glob(pattern) // the patterns are good
		for _, f := range found {
			if st, err := os.Stat(f); err == nil && st.IsDir() {
				list = append(list, f)
			}
		}
	}
	slices.Sort(list)
	return list
}

// volumeNames end the names of the files that an exchange gives out: of one volume, of all
// behind a number, and of what arrived of a download that broke off.
var volumeNames = []string{".batch", ".batches", ".batches.part"}

// IsVolumeName says whether a file is called as those that an exchange gives out.
func IsVolumeName(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.ContainsFunc(volumeNames, func(end string) bool { return strings.HasSuffix(name, end) })
}

// NewDeskFileName is a name for a file from this desk to another one. It says no more than that: who
// finds the stick learns neither for whom it is nor what of.
func NewDeskFileName() string {
	var id [8]byte
	_, _ = rand.Read(id[:])
	return "postern-desk-" + hex.EncodeToString(id[:]) + ".age"
}

// MayBeDeskFile says whether a file could be one from another desk, by its name. One that a command line wrote can
// have any that ends so.
func MayBeDeskFile(name string) bool {
	return strings.HasSuffix(name, ".age") && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, bundlePrefix) && !strings.HasSuffix(name, ".backup.age")
}

// maxVolumes bounds how many files of a folder are looked at.
const maxVolumes = 10_000

// ErrManyFiles says that a folder holds more than anybody carries.
var ErrManyFiles = errors.New("too many files are in this folder: put the volumes into one of their own")

// Volumes are the files in a folder, and in the folders right in it, whose names end as those
// of volumes do, sorted by name.
func Volumes(dir string) (list []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	seen := 0
	add := func(dir string, e fs.DirEntry) {
		seen++
		if e.Type().IsRegular() && IsVolumeName(e.Name()) {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	for _, e := range entries {
		add(dir, e)
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		inner, err := os.ReadDir(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // lost+found, and what else is not the holder's
		}
		for _, f := range inner {
			add(filepath.Join(dir, e.Name()), f)
		}
		if seen > maxVolumes {
			return nil, ErrManyFiles
		}
	}
	slices.Sort(list)
	return list, nil
}

// Imported is what became of one volume.
type Imported struct {
	Path   string
	Place  int     // in its file, from 1; 0: no further volume can be found there
	Report *Report // nil: refused
	Err    error
}

// ErrRest says that a file of several volumes is not whole. What stands before was imported.
var ErrRest = errors.New("this file is whole up to here only: what stands before was imported; ask your exchange again for everything after the number that is named now")

// ImportFiles imports all volumes of files, in any order: one that is refused keeps no other
// out, and what a file holds in front of the place where it breaks off is imported. each, if not nil, hears of every
// volume when it is done.
func (desk *Desk) ImportFiles(paths []string, o ImportOptions, each func(Imported)) (list []Imported) {
	im := desk.Importing(paths, o)
	defer im.Close()
	for im.Next() {
		list = append(list, im.Imported())
		if each != nil {
			each(im.Imported())
		}
	}
	return list
}

// Importing imports the volumes of files one at a time, as [Desk.ImportFiles] does all of them:
//
//	for im := desk.Importing(paths, o); im.Next(); {
//		use(im.Imported())
//	}
//
// Each is in the vault when Next returns. Whoever stops in between, or is stopped, loses nothing.
type Importing struct {
	desk    *Desk
	o       ImportOptions
	left    []string // files that were not begun
	path    string   // of the one that is being read
	file    *os.File // nil: none is
	volumes *crypto.Volumes
	place   int   // in the file
	size    int64 // of all files
	done    int64 // of those that were read
	now     Imported
}

// Importing begins to import files. Close it.
func (desk *Desk) Importing(paths []string, o ImportOptions) *Importing {
	im := &Importing{desk: desk, o: o, left: slices.Clone(paths)}
	for _, p := range paths {
		im.size += sizeOf(p)
	}
	return im
}

func sizeOf(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

// Imported is what became of the volume that was read last.
func (im *Importing) Imported() Imported { return im.now }

// Files says how many files are not read to their end.
func (im *Importing) Files() int {
	n := len(im.left)
	if im.file != nil {
		if at, err := im.file.Seek(0, io.SeekCurrent); err == nil && at < sizeOf(im.path) {
			n++
		}
	}
	return n
}

// Bytes says how much was read, and how much there is.
func (im *Importing) Bytes() (done, size int64) {
	if im.file != nil {
		at, _ := im.file.Seek(0, io.SeekCurrent) // of a stick that was pulled out nothing more is read
		return im.done + at, im.size
	}
	return im.done, im.size
}

// Close lets go of the file that is being read.
func (im *Importing) Close() {
	if im.file != nil {
		_ = im.file.Close()
		im.done += sizeOf(im.path)
	}
	im.file, im.volumes = nil, nil
}

// Next imports one volume. False: there is none left.
func (im *Importing) Next() bool {
	for {
		if im.file == nil {
			if len(im.left) == 0 {
				return false
			}
			im.path, im.left, im.place = im.left[0], im.left[1:], 0
			f, err := os.Open(im.path) //nolint:gosec // named by the holder
			if err != nil {
				return im.found(Imported{Err: err})
			}
			im.file, im.volumes = f, crypto.NewVolumes(f)
		}
		if im.volumes.Next() {
			im.place++
			r, err := im.desk.Import(im.volumes, im.o)
			if err == nil || im.volumes.Err() == nil {
				if err != nil && !errors.Is(err, ErrVolume) && !errors.Is(err, ErrForged) {
					im.Close() // the next one would fail alike: no directory, a clock that is doubted, a full disk
				}
				return im.found(Imported{Place: im.place, Report: r, Err: err})
			}
			// not the volume's fault: the file cannot be read further
		}
		err := im.volumes.Err()
		im.Close()
		if err == nil && im.place > 0 {
			continue
		}
		switch {
		case err != nil && !errors.Is(err, crypto.ErrFormat) && !errors.Is(err, io.ErrUnexpectedEOF): // of the stick
		case im.place > 1:
			err = ErrRest
		default:
			err = ErrVolume
		}
		return im.found(Imported{Err: fmt.Errorf("importing: %w", err)})
	}
}

func (im *Importing) found(x Imported) bool {
	x.Path = im.path
	im.now = x
	return true
}

// Sum is what was found in all of them; it is of no single volume.
func Sum(list []Imported) (sum Report) {
	sum.Before = true
	for _, x := range list {
		r := x.Report
		if r == nil {
			continue
		}
		sum.New += r.New
		sum.NewCases += r.NewCases
		sum.Known += r.Known
		sum.Mended += r.Mended
		sum.Again += r.Again
		sum.Changed += r.Changed
		sum.Strangers += r.Strangers
		sum.Damaged += r.Damaged
		sum.Differs += r.Differs
		sum.Late += r.Late
		sum.Before = sum.Before && r.Before
		sum.OldKeys = sum.OldKeys || r.OldKeys
		sum.Cases = append(sum.Cases, r.Cases...)
		sum.CodeChanged = append(sum.CodeChanged, r.CodeChanged...)
		sum.Directory, sum.Day = max(sum.Directory, r.Directory), max(sum.Day, r.Day)
		sum.Missing, sum.Broken, sum.HandIn = r.Missing, r.Broken, r.HandIn // as it stands at last
	}
	for _, ids := range []*[]string{&sum.Cases, &sum.CodeChanged} {
		slices.Sort(*ids)
		*ids = slices.Compact(*ids)
	}
	return sum
}
