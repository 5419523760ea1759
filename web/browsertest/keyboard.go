package browsertest

import (
	"errors"
	"fmt"
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

// focusJS gives the Focus of a page.
const focusJS = `(() => {
	const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect(), form = e.closest("form");
	return {Tag: e.localName, ID: e.id, Name: e.getAttribute("name") || "", Type: e.type || "",
		Href: e.getAttribute("href") || "", Action: form ? form.getAttribute("action") : "",
		Outline: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1,
		InSight: r.width > 0 && r.height > 0 && r.bottom > 0 && r.right > 0 && r.top < innerHeight && r.left < innerWidth};
})()`

// shownJS is the title of a page that has loaded.
const shownJS = `document.readyState === "complete" ? document.title : ""`

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
	err := f.Do("WebDriver:PerformActions", map[string]any{"actions": []any{
		map[string]any{"type": "key", "id": "keyboard", "actions": acts},
	}}, nil)
	if err == nil && (k == TabKey || k == Back) {
		err = f.drawn()
	}
	return err
}

// drawn waits until the page was drawn anew after the focus has moved. Nobody moves it twice within a
// frame, but a program on a busy machine does; and what Firefox puts off to the next frame then comes behind
// the second move: it scrolls back to the cursor of a text that has lost the focus since. A page without scripts is
// asked by one of the browser's own beside it.
func (f *Firefox) drawn() (err error) {
	if err := f.Do("Marionette:SetContext", map[string]any{"value": "chrome"}, nil); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Do("Marionette:SetContext", map[string]any{"value": "content"}, nil))
	}()
	return f.Do("WebDriver:ExecuteAsyncScript", map[string]any{"script": drawnJS, "args": []any{}}, nil)
}

// drawnJS runs in the browser, and ends after two frames of the page: the first may have begun before.
const drawnJS = `
	const done = arguments[0], page = gBrowser.selectedBrowser.messageManager;
	const drawn = () => { page.removeMessageListener("drawn", drawn); done(); };
	page.addMessageListener("drawn", drawn);
	page.loadFrameScript('data:,content.requestAnimationFrame(() => content.requestAnimationFrame(() => sendAsyncMessage("drawn")))', false);`

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

// Eval runs a script in the page, past its policy, and gives its value. It runs
// at "Safest" too, where the page's own do not.
func (f *Firefox) Eval(script string, out any) error {
	r := struct{ Value any }{out}
	return f.Do("WebDriver:ExecuteScript", map[string]any{"script": "return " + script, "args": []any{}}, &r)
}

// Focus says what has the focus.
func (f *Firefox) Focus() (got Focus, err error) { err = f.Eval(focusJS, &got); return got, err }

// Focus says what has the focus.
func (t *Tab) Focus() (got Focus, err error) { err = t.Eval(focusJS, &got); return got, err }

// Focused says whether the element that has the focus matches a selector.
func (f *Firefox) Focused(css string) (on bool, err error) {
	err = f.Eval(fmt.Sprintf("document.activeElement.matches(%q)", css), &on)
	return on, err
}

// Focused says whether the element that has the focus matches a selector.
func (t *Tab) Focused(css string) (on bool, err error) {
	err = t.Eval(fmt.Sprintf("document.activeElement.matches(%q)", css), &on)
	return on, err
}

// Shown is the title of the page, empty as long as it loads.
func (f *Firefox) Shown() (title string, err error) { err = f.Eval(shownJS, &title); return title, err }

// Shown is the title of the page, empty as long as it loads.
func (t *Tab) Shown() (title string, err error) { err = t.Eval(shownJS, &title); return title, err }

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
