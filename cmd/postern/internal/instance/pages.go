package instance

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"postern/web"
)

// LoadPages reads the operator's pages, and nothing outside their directory: a
// link that leads out of it is no page. Those that are good are given beside
// the error, which has one line for each file that is not.
func (i *Instance) LoadPages() (*web.Pages, error) {
	root, err := os.OpenRoot(i.PagesPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the pages: %w", err)
	}
	defer root.Close()
	return web.LoadPages(root.FS())
}

// PageFaults are the lines of an error of loadPages.
func PageFaults(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}
