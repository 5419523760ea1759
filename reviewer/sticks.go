package reviewer

import (
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
	for _, path := range paths {
		desk.importFile(path, o, func(x Imported) {
			x.Path = path
			list = append(list, x)
			if each != nil {
				each(x)
			}
		})
	}
	return list
}

func (desk *Desk) importFile(path string, o ImportOptions, each func(Imported)) {
	f, err := os.Open(path) //nolint:gosec // named by the holder
	if err != nil {
		each(Imported{Err: err})
		return
	}
	defer func() { _ = f.Close() }()
	volumes, place := crypto.NewVolumes(f), 0
	for volumes.Next() {
		place++
		r, err := desk.Import(volumes, o)
		if err != nil && volumes.Err() != nil {
			break // not the volume's fault: the file cannot be read further
		}
		each(Imported{Place: place, Report: r, Err: err})
		if err != nil && !errors.Is(err, ErrVolume) && !errors.Is(err, ErrForged) {
			return // the next one would fail alike: no directory, a clock that is doubted, a full disk
		}
	}
	if err = volumes.Err(); err == nil && place > 0 {
		return
	}
	switch {
	case err != nil && !errors.Is(err, crypto.ErrFormat) && !errors.Is(err, io.ErrUnexpectedEOF): // of the stick
	case place > 1:
		err = ErrRest
	default:
		err = ErrVolume
	}
	each(Imported{Err: fmt.Errorf("importing: %w", err)})
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
