package browsertest

import (
	"errors"
	"fmt"
	"time"
)

// Element of the page that was shown when it was found.
type Element struct {
	f  *Firefox
	id string
}

// reference is how Marionette names elements: an object with one constant key.
type reference map[string]string

func (r reference) element(f *Firefox) *Element {
	for _, id := range r {
		return &Element{f, id}
	}
	return nil
}

// Find gives the first element that matches a CSS selector. It waits half a
// minute for it: a click may return before a slow answer is there. Choose what
// the page before did not have.
func (f *Firefox) Find(css string) (*Element, error) {
	for end := time.Now().Add(findWait); ; time.Sleep(100 * time.Millisecond) {
		var r struct{ Value reference }
		err := f.Do("WebDriver:FindElement", map[string]any{"using": "css selector", "value": css}, &r)
		if err == nil {
			return r.Value.element(f), nil
		}
		var refused *Error
		if !errors.As(err, &refused) || refused.Code != "no such element" || time.Now().After(end) {
			return nil, fmt.Errorf("%q: %w", css, err)
		}
	}
}

// FindAll gives all elements that match now, in the page's order; none is no error.
func (f *Firefox) FindAll(css string) ([]*Element, error) {
	var refs []reference
	if err := f.Do("WebDriver:FindElements", map[string]any{"using": "css selector", "value": css}, &refs); err != nil {
		return nil, fmt.Errorf("%q: %w", css, err)
	}
	var all []*Element
	for _, r := range refs {
		all = append(all, r.element(f))
	}
	return all, nil
}

func (e *Element) params() map[string]any { return map[string]any{"id": e.id} }

// Keys types a text; a file input takes a path.
func (e *Element) Keys(text string) error {
	p := e.params()
	p["text"] = text
	return e.f.Do("WebDriver:ElementSendKeys", p, nil)
}

// Clear empties a field.
func (e *Element) Clear() error { return e.f.Do("WebDriver:ElementClear", e.params(), nil) }

// Click clicks, and waits for a page that this opens, if it begins soon.
func (e *Element) Click() error { return e.f.Do("WebDriver:ElementClick", e.params(), nil) }

// Text is what the element shows, as a user would read it.
func (e *Element) Text() (string, error) { return e.f.text("WebDriver:GetElementText", e.params()) }

// Attr is an attribute's text; empty when it is not there.
func (e *Element) Attr(name string) (string, error) {
	p := e.params()
	p["name"] = name
	return e.f.text("WebDriver:GetElementAttribute", p)
}

// Value is what a field holds now.
func (e *Element) Value() (string, error) {
	p := e.params()
	p["name"] = "value"
	return e.f.text("WebDriver:GetElementProperty", p)
}

// Selected says whether a checkbox, radio button or option is chosen.
func (e *Element) Selected() (bool, error) {
	var r struct{ Value bool }
	err := e.f.Do("WebDriver:IsElementSelected", e.params(), &r)
	return r.Value, err
}

// Label is the element's accessible name: what a screen reader says.
func (e *Element) Label() (string, error) {
	return e.f.text("WebDriver:GetComputedLabel", e.params())
}

// Role is the element's accessible role, such as "button".
func (e *Element) Role() (string, error) {
	return e.f.text("WebDriver:GetComputedRole", e.params())
}
