package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"filippo.io/age"

	"postern/cmd/postern/internal/instance"
)

// restore makes an instance of a backup, in an empty directory: under a new
// storage key, as a new life of the database, with retention applied. Desks see
// the new life in the next batch and say which replies to hand in again.
//
// Anybody can seal something to the backup key. What is restored is signed by the
// server of a directory that the operator's own root signed (SECURITY.md S-19).
func (c *cli) restore(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	from := fs.String("from", "", "backup `file`; \"-\" for standard input")
	key := fs.String("identity", "", "`file` of the offline backup key, as age-keygen -pq wrote it; \"-\" for standard input")
	wrapped := fs.String("key-wrapped-by", "", "`file` that protects the storage key on this machine: see postern.conf")
	var roots []string
	fs.Func("root", "root `key` of the instance, instead of its ten words; repeat it if the directory asks for several", func(s string) error {
		roots = append(roots, strings.TrimSpace(s))
		return nil
	})
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	if *from == "" || *key == "" || *from == "-" && *key == "-" {
		return instance.WithHint(errors.New("a backup file and its key are needed"), "postern restore --from FILE --identity FILE; one of them can be -")
	}
	if len(roots) == 0 && (*from == "-" || *key == "-") {
		return instance.WithHint(errors.New("nobody can be asked for the words of the root key when standard input is a file"), "add --root KEY")
	}
	text, err := c.input(*key)
	if err != nil {
		return err
	}
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	clear(text)
	if err != nil {
		return instance.WithHint(errors.New("this is no age key"), "name the file that age-keygen -pq wrote; of an encrypted one, give what age -d prints to --identity -")
	}
	src := c.in
	if *from != "-" {
		f, err := os.Open(*from)
		if err != nil {
			return err
		}
		defer f.Close()
		src = f
	}
	plain, err := age.Decrypt(src, ids...)
	if err != nil {
		return instance.WithHint(fmt.Errorf("opening the backup: %w", err), "is this the key whose public half stood in postern.conf?")
	}
	b, err := instance.ReadBackup(plain)
	if err != nil {
		return err
	}
	what := "addresses, directory and configuration"
	if b.Full {
		what += ", and all data"
	}
	fmt.Fprintf(c.out, "A backup of %q, made on %v: %s.\nIts address:   http://%s\nIts directory: version %d, %d bodies, issued on %v\n",
		b.Name, b.Day, what, b.Address, b.Directory.Version, len(b.Directory.Bodies), b.Directory.Issued)
	if len(roots) == 0 {
		if roots, err = c.askRoots(b); err != nil {
			return err
		}
	}
	if err := b.Trust(roots); err != nil {
		return instance.WithHint(err, "do not restore it: find out where it comes from")
	}
	if err := b.Restore(ctx, c.dir, *wrapped); err != nil {
		return instance.WithHint(fmt.Errorf("restoring into %s: %w", c.dir, err), "nothing there is of use; empty the directory before the next try")
	}
	fmt.Fprintf(c.out, "Restored into %s.\n", c.dir)
	if len(b.Left) > 0 {
		fmt.Fprintln(c.out, "Not taken, because it names programs and files of another machine. Put back into postern.conf what you want:")
		for _, l := range b.Left {
			fmt.Fprintf(c.out, "  %s\n", l)
		}
	}
	if b.Full {
		fmt.Fprint(c.out, `Desks will tell their reviewers which replies to hand in again. Messages that
were waiting when the backup was made come in a batch again, and what was erased
since then is back; sources can erase it again. Delete every backup that is older
than 14 days: it brings back what is long gone.
`)
	} else {
		fmt.Fprintln(c.out, "It has its addresses and no data: codes in use find empty inboxes.")
	}
	fmt.Fprint(c.out, `The same addresses must never run twice: make sure that the old server is off
for good. Then: systemctl enable --now postern; postern status
`)
	return nil
}

// askRoots asks for the words of as many roots as the directory needs. They are
// not shown before: the operator's own papers have them.
func (c *cli) askRoots(b *instance.Backup) (roots []string, err error) {
	in := bufio.NewReader(c.in)
	for len(roots) < b.Directory.Roots {
		fmt.Fprint(c.out, "Type the ten words of the root key, as its keeper gave them to you:\n> ")
		line, err := in.ReadString('\n')
		if err != nil && line == "" {
			return nil, instance.WithHint(errors.New("the words of the root key were not given"), "give the key itself: --root KEY")
		}
		r := b.RootOf(strings.Fields(strings.ToLower(line)))
		if r == "" || slices.Contains(roots, r) {
			return nil, instance.WithHint(errors.New("no other root with these words signed this backup's directory: it is not a backup of your instance"),
				"do not restore it: find out where it comes from")
		}
		roots = append(roots, r)
	}
	return roots, nil
}
