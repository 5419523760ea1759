package browsertest

import (
	"fmt"
	"strconv"
	"strings"
)

// Key of a keyboard.
type Key string

// The keys with which a page is used without a mouse.
const (
	TabKey Key = "Tab"
	Back   Key = "Shift+Tab"
	Enter  Key = "Enter"
	Space  Key = "Space"
	Down   Key = "Down"
	End    Key = "End"
)

// keys as Chromium and Marionette want them told.
var keys = map[Key]struct {
	name, code, text string
	number           int
	modifiers        int
	unicode          []string // pressed one inside the other
}{
	TabKey: {"Tab", "Tab", "", 9, 0, []string{"\uE004"}},
	Back:   {"Tab", "Tab", "", 9, 8, []string{"\uE008", "\uE004"}},
	Enter:  {"Enter", "Enter", "\r", 13, 0, []string{"\uE007"}},
	Space:  {" ", "Space", " ", 32, 0, []string{" "}},
	Down:   {"ArrowDown", "ArrowDown", "", 40, 0, []string{"\uE015"}},
	End:    {"End", "End", "", 35, 0, []string{"\uE010"}},
}

// Focus is the element that has the focus, and how it shows.
type Focus struct {
	Tag, ID, Name, Type, Href string
	Action                    string // of the form around it
	Outline                   bool   // it has one
	InSight                   bool   // within the window
}

func (f Focus) String() string {
	return fmt.Sprintf("<%s id=%q name=%q href=%q> of form %q", f.Tag, f.ID, f.Name, f.Href, f.Action)
}

// Press presses and lets go one key.
func (f *Firefox) Press(k Key) error {
	key, ok := keys[k]
	if !ok {
		return fmt.Errorf("no key %q", k)
	}
	var acts []map[string]any
	for _, u := range key.unicode {
		acts = append(acts, map[string]any{"type": "keyDown", "value": u})
	}
	for i := range key.unicode {
		acts = append(acts, map[string]any{"type": "keyUp", "value": key.unicode[len(key.unicode)-1-i]})
	}
	return f.Do("WebDriver:PerformActions", map[string]any{"actions": []any{
		map[string]any{"type": "key", "id": "keyboard", "actions": acts},
	}}, nil)
}

// Type types into what has the focus.
func (f *Firefox) Type(text string) error {
	e, err := f.active()
	if err != nil {
		return err
	}
	return e.Keys(text)
}

func (f *Firefox) active() (*Element, error) {
	var r struct{ Value reference }
	if err := f.Do("WebDriver:GetActiveElement", nil, &r); err != nil {
		return nil, err
	}
	return r.Value.element(f), nil
}

// Focus says what has the focus. The page's scripts may be off: this asks piece by piece.
func (f *Firefox) Focus() (got Focus, err error) {
	e, err := f.active()
	if err != nil {
		return got, err
	}
	if got.Tag, err = f.text("WebDriver:GetElementTagName", e.params()); err != nil {
		return got, err
	}
	for name, to := range map[string]*string{"id": &got.ID, "name": &got.Name, "type": &got.Type, "href": &got.Href} {
		if *to, err = e.Attr(name); err != nil {
			return got, err
		}
	}
	css := func(name string) string {
		p := e.params()
		p["propertyName"] = name
		s, cssErr := f.text("WebDriver:GetElementCSSValue", p)
		if cssErr != nil {
			err = cssErr
		}
		return s
	}
	width, _ := strconv.ParseFloat(strings.TrimSuffix(css("outline-width"), "px"), 64)
	got.Outline = css("outline-style") != "none" && width >= 1
	return got, err
}

// Value is what the first field that matches holds now.
func (f *Firefox) Value(css string) (string, error) {
	e, err := f.Find(css)
	if err != nil {
		return "", err
	}
	return e.Value()
}

// Count is how many elements match now.
func (f *Firefox) Count(css string) (int, error) {
	all, err := f.FindAll(css)
	return len(all), err
}
