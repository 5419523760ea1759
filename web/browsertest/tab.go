package browsertest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Tab of a [Chromium]. Its methods say what those of [Firefox] say.
type Tab struct {
	c       *Chromium
	session string
	context string

	mu         sync.Mutex
	loaded     map[string]bool // documents, by loader
	asked      []string
	complaints []string
	chooser    []string // answers the next dialog that asks for files
}

// Do sends one command of the DevTools protocol. For what has no method here.
func (t *Tab) Do(method string, params, out any) error { return t.c.do(t.session, method, params, out) }

// Close closes the tab.
func (t *Tab) Close() {
	_ = t.c.do("", "Target.disposeBrowserContext", map[string]any{"browserContextId": t.context}, nil)
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	delete(t.c.tabs, t.session)
}

// event notes what the page does.
func (t *Tab) event(method string, params json.RawMessage) {
	var e struct {
		Name, LoaderID string
		Request        struct{ URL string }
		Entry          struct{ Source, Level, Text, URL string }
		Issue          struct {
			Code    string
			Details json.RawMessage
		}
		Type          string
		Args          []struct{ Value any }
		ExceptionInfo json.RawMessage `json:"exceptionDetails"`
		BackendNodeID int             `json:"backendNodeId"`
	}
	if json.Unmarshal(params, &e) != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	complain := func(format string, args ...any) { t.complaints = append(t.complaints, fmt.Sprintf(format, args...)) }
	switch method {
	case "Page.lifecycleEvent":
		if e.Name == "load" {
			t.loaded[e.LoaderID] = true
		}
	case "Network.requestWillBeSent":
		t.asked = append(t.asked, e.Request.URL)
	case "Log.entryAdded":
		complain("%s, %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case "Audits.issueAdded":
		complain("%s: %s", e.Issue.Code, e.Issue.Details)
	case "Runtime.consoleAPICalled":
		complain("console.%s: %v", e.Type, e.Args)
	case "Runtime.exceptionThrown":
		complain("exception: %s", e.ExceptionInfo)
	case "Page.fileChooserOpened":
		files := t.chooser
		t.chooser = nil
		go func() { // the answer comes through whoever reads this event
			_ = t.Do("DOM.setFileInputFiles", map[string]any{"files": files, "backendNodeId": e.BackendNodeID}, nil)
		}()
	}
}

// Asked are the addresses that were asked for, in order, each with every time.
func (t *Tab) Asked() []string { t.mu.Lock(); defer t.mu.Unlock(); return slices.Clone(t.asked) }

// Complaints are what Chromium said about the pages: violations of their
// Content-Security-Policy, lines of the console, issues, exceptions.
func (t *Tab) Complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.complaints)
}

// Size sets the page's size in CSS pixels, and how many dots each has: a window
// of 1280 × 1024 at a zoom of 400 % has 320 × 256 of four dots.
func (t *Tab) Size(width, height int, dots float64) error {
	return t.Do("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": dots, "mobile": false,
	}, nil)
}

// Scripts turns scripts of pages on or off; those of [Tab.Eval] run always.
func (t *Tab) Scripts(on bool) error {
	return t.Do("Emulation.setScriptExecutionDisabled", map[string]any{"value": !on}, nil)
}

// Media sets what media queries see, such as prefers-color-scheme: dark.
func (t *Tab) Media(features map[string]string) error {
	var list []map[string]string
	for _, name := range slices.Sorted(maps.Keys(features)) {
		list = append(list, map[string]string{"name": name, "value": features[name]})
	}
	return t.Do("Emulation.setEmulatedMedia", map[string]any{"features": list}, nil)
}

// Downloads saves files in a directory without a question.
func (t *Tab) Downloads(dir string) error {
	return t.c.do("", "Browser.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": dir, "browserContextId": t.context}, nil)
}

// Go opens an address and waits until the page has loaded.
func (t *Tab) Go(url string) error {
	var r struct{ LoaderID, ErrorText string }
	if err := t.Do("Page.navigate", map[string]any{"url": url}, &r); err != nil {
		return err
	}
	if r.ErrorText != "" {
		return fmt.Errorf("%s: %s", url, r.ErrorText)
	}
	for end := time.Now().Add(pageWait); r.LoaderID != ""; time.Sleep(2 * time.Millisecond) {
		t.mu.Lock()
		done := t.loaded[r.LoaderID]
		t.mu.Unlock()
		if done {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not load", url)
		}
	}
	return nil
}

// Eval runs a script in the page, past its policy, and gives its value; a promise is awaited.
func (t *Tab) Eval(script string, out any) error {
	return t.evaluate("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, out)
}

func (t *Tab) evaluate(method string, params map[string]any, out any) error {
	var r struct {
		Result struct {
			Value    json.RawMessage
			ObjectID string
		}
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	if err := t.Do(method, params, &r); err != nil {
		return err
	}
	if e := r.ExceptionDetails; e != nil {
		return fmt.Errorf("script: %s %s", e.Text, e.Exception.Description)
	}
	if id, ok := out.(*string); ok && params["returnByValue"] == nil {
		*id = r.Result.ObjectID
		return nil
	}
	if out == nil || len(r.Result.Value) == 0 {
		return nil
	}
	return json.Unmarshal(r.Result.Value, out)
}

// find waits half a minute for the first element that matches.
func (t *Tab) find(css string) (object string, err error) {
	for end := time.Now().Add(findWait); ; time.Sleep(50 * time.Millisecond) {
		err := t.evaluate("Runtime.evaluate", map[string]any{"expression": fmt.Sprintf("document.querySelector(%q)", css)}, &object)
		if err == nil && object != "" {
			return object, nil
		}
		if time.Now().After(end) {
			return "", errors.Join(fmt.Errorf("%q: no such element", css), err)
		}
	}
}

// of calls a function with the first element that matches as "this".
func (t *Tab) of(css, function string, out any) error {
	object, err := t.find(css)
	if err != nil {
		return err
	}
	return t.evaluate("Runtime.callFunctionOn", map[string]any{"objectId": object, "functionDeclaration": function, "returnByValue": true}, out)
}

// Click clicks into the middle of the first element that matches, which must be
// in sight: what is hidden or covered cannot be clicked.
func (t *Tab) Click(css string) error {
	var at struct {
		X, Y float64
		Hit  bool
	}
	if err := t.of(css, `function() {
		this.scrollIntoView({block: "center", behavior: "instant"});
		const r = this.getClientRects()[0] || {x: 0, y: 0, width: 0, height: 0};
		const x = r.x + r.width / 2, y = r.y + r.height / 2, e = document.elementFromPoint(x, y);
		return {X: x, Y: y, Hit: r.width > 0 && e !== null && (this.contains(e) || e.contains(this) && e.tagName === "LABEL")};
	}`, &at); err != nil {
		return err
	}
	if !at.Hit {
		return fmt.Errorf("%q is hidden or covered", css)
	}
	for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		if err := t.Do("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil); err != nil {
			return err
		}
	}
	return nil
}

// Keys types into the first element that matches, behind what is there; a file
// input takes paths, separated by line breaks.
func (t *Tab) Keys(css, text string) error {
	object, err := t.find(css)
	if err != nil {
		return err
	}
	var kind string
	if err := t.of(css, `function() {
		if (this.type !== "file") { this.focus(); this.setSelectionRange(this.value.length, this.value.length) }
		return this.type;
	}`, &kind); err != nil {
		return err
	}
	if kind == "file" {
		return t.Do("DOM.setFileInputFiles", map[string]any{"objectId": object, "files": strings.Split(text, "\n")}, nil)
	}
	return t.Type(text)
}

// Type types into what has the focus.
func (t *Tab) Type(text string) error {
	return t.Do("Input.insertText", map[string]any{"text": text}, nil)
}

// Text is what the first element that matches shows.
func (t *Tab) Text(css string) (text string, err error) {
	err = t.of(css, "function() { return this.innerText }", &text)
	return text, err
}

// Value is what the first field that matches holds now.
func (t *Tab) Value(css string) (value string, err error) {
	err = t.of(css, "function() { return this.value }", &value)
	return value, err
}

// Count is how many elements match now.
func (t *Tab) Count(css string) (n int, err error) {
	err = t.Eval(fmt.Sprintf("document.querySelectorAll(%q).length", css), &n)
	return n, err
}

// Title of the page.
func (t *Tab) Title() (title string, err error) {
	err = t.Eval("document.title", &title)
	return title, err
}

// Screenshot is a PNG of the window, or of the full page.
func (t *Tab) Screenshot(full bool) ([]byte, error) {
	var r struct{ Data string }
	if err := t.Do("Page.captureScreenshot", map[string]any{"captureBeyondViewport": full, "optimizeForSpeed": true}, &r); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(r.Data)
}

// Choose gives files to the next dialog that asks for some.
func (t *Tab) Choose(files ...string) error {
	t.mu.Lock()
	t.chooser = files
	t.mu.Unlock()
	return t.Do("Page.setInterceptFileChooserDialog", map[string]any{"enabled": true}, nil)
}

// Press presses and lets go one key.
func (t *Tab) Press(k Key) error {
	key, ok := keys[k]
	if !ok {
		return fmt.Errorf("no key %q", k)
	}
	p := map[string]any{"key": key.name, "code": key.code, "windowsVirtualKeyCode": key.number, "modifiers": key.modifiers}
	p["type"] = "rawKeyDown"
	if key.text != "" {
		p["type"], p["text"] = "keyDown", key.text
	}
	if err := t.Do("Input.dispatchKeyEvent", p, nil); err != nil {
		return err
	}
	p["type"] = "keyUp"
	delete(p, "text")
	return t.Do("Input.dispatchKeyEvent", p, nil)
}
