package reviewer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// VolumeName ends the names of the files that an exchange gives out.
const VolumeName = ".batch"

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
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), VolumeName) && !strings.HasPrefix(e.Name(), ".") {
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

// Imported is what became of one file.
type Imported struct {
	Path   string
	Report *Report // nil: refused
	Err    error
}

// ImportFile is [Desk.Import] of a file.
func (desk *Desk) ImportFile(path string, o ImportOptions) (*Report, error) {
	f, err := os.Open(path) //nolint:gosec // named by the holder
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return desk.Import(f, o)
}

// ImportFiles imports files in the order given, which changes nothing: one that is refused
// does not keep the others out. each, if not nil, hears of every file when it is done.
func (desk *Desk) ImportFiles(paths []string, o ImportOptions, each func(Imported)) (list []Imported) {
	for _, path := range paths {
		x := Imported{Path: path}
		x.Report, x.Err = desk.ImportFile(path, o)
		list = append(list, x)
		if each != nil {
			each(x)
		}
	}
	return list
}
