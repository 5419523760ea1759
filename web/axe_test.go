package web

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"postern/web/browsertest"
)

// screenshots is the ignored folder at the top of the tree.
const screenshots = "../screenshots"

// picture keeps a screenshot for people to look at.
func picture(t *testing.T, name string, take func(full bool) ([]byte, error)) {
	t.Helper()
	png, err := take(true)
	if err == nil {
		err = os.MkdirAll(filepath.Join(screenshots, filepath.Dir(name)), 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(screenshots, name+".png"), png, 0o644)
	}
	if err != nil {
		t.Errorf("screenshot %s: %v", name, err)
	}
}

// A look is how a page is looked at.
type look struct {
	name          string
	width, height int
	scheme        string
}

// looks are two for each scene: colours depend on the scheme alone, and what is
// beside and below each other on the width alone.
var looks = []look{
	{"desk", 1280, 1024, "light"},
	{"phone", 320, 640, "dark"},
}

// accessible runs axe-core over every scene: no violation of WCAG 2.2 A and AA,
// and none of what it calls best practice.
func (g *gallery) accessible(t *testing.T, c *browsertest.Chromium, scenes []scene) {
	url := hangings(t, scenes)
	unsure := map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, l := range looks { // two at a time
		all.Go(func() {
			tab, err := c.Tab()
			if err != nil {
				t.Error(err)
				return
			}
			defer tab.Close()
			for _, s := range scenes {
				found, doubts, err := l.at(tab, url+"/"+s.name)
				if err != nil {
					t.Errorf("%s, %s: %v", s.name, l.name, err)
					return
				}
				for _, f := range found {
					t.Errorf("%s, %s: %s", s.name, l.name, f)
				}
				mu.Lock()
				for _, d := range doubts {
					unsure[d]++
				}
				mu.Unlock()
				picture(t, filepath.Join(g.words.Lang, s.name+"-"+l.name), tab.Screenshot)
			}
		})
	}
	all.Wait()
	t.Logf("for people to judge: %v", unsure)
}

// at looks at one page. It fails for pages that could not be judged.
func (l look) at(tab *browsertest.Tab, url string) (found, doubts []string, err error) {
	if err := tab.Size(l.width, l.height, 1); err != nil {
		return nil, nil, err
	}
	if err := tab.Media(map[string]string{"prefers-color-scheme": l.scheme}); err != nil {
		return nil, nil, err
	}
	if err := tab.Go(url); err != nil {
		return nil, nil, err
	}
	return tab.Axe()
}
