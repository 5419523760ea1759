package browsertest

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed fonts.conf
var fontsConf []byte

// fontFiles stand for the families that fonts.conf names.
var fontFiles = []string{
	"Arimo-Regular.ttf", "Cousine-Regular.ttf", "Tinos-Regular.ttf",
	"NotoSans-Regular.ttf", "NotoSerif-Regular.ttf", "NotoNaskhArabic-Regular.ttf",
}

// fonts writes fontconfig's file of the tests into a browser's own directory,
// and returns the variable that brings the browser there. A page is as wide as
// its letters: with whatever fonts a machine has, a page that scrolls sideways
// for sources would not do so for us.
func fonts(dir string) (env string, err error) {
	missing := slices.Clone(fontFiles)
	for _, root := range []string{"/usr/share/fonts", "/usr/local/share/fonts"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			missing = slices.DeleteFunc(missing, func(f string) bool { return f == filepath.Base(path) })
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("fonts that Tor Browser brings along are not installed (on Debian: apt-get install fonts-croscore fonts-noto-core): %s", strings.Join(missing, ", "))
	}
	path := filepath.Join(dir, "fonts.conf")
	return "FONTCONFIG_FILE=" + path, os.WriteFile(path, fontsConf, 0o600)
}
