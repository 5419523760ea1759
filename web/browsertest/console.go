package browsertest

import "fmt"

// Console is what Firefox has said about pages so far: violations of their
// Content-Security-Policy, errors of scripts. What it says about itself is left out.
func (f *Firefox) Console() ([]string, error) {
	var r struct{ Value []string }
	return r.Value, f.chrome(`return Services.console.getMessageArray()
	.filter(m => m instanceof Ci.nsIScriptError && (/^http/.test(m.sourceName) || /CSP|content|Mixed|Cookie/i.test(m.category)))
	.map(m => m.category + ": " + m.errorMessage + " " + m.sourceName);`, &r)
}

// chrome runs a script with the browser's own rights.
func (f *Firefox) chrome(script string, out any, args ...any) error {
	if err := f.Do("Marionette:SetContext", map[string]any{"value": "chrome"}, nil); err != nil {
		return err
	}
	if args == nil {
		args = []any{}
	}
	err := f.Do("WebDriver:ExecuteScript", map[string]any{"script": script, "args": args}, out)
	if back := f.Do("Marionette:SetContext", map[string]any{"value": "content"}, nil); err == nil {
		err = back
	}
	if err != nil {
		return fmt.Errorf("a script of the browser's: %w", err)
	}
	return nil
}
