package instance

import (
	"strings"
	"testing"
)

// What the instance file says, it says again.
func FuzzInstance(f *testing.F) {
	i := &Instance{Salt: [32]byte{1}}
	i.newID()
	f.Add(string(i.marshal()))
	f.Add("postern instance 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		var i Instance
		if err := i.parse(text); err == nil && !strings.EqualFold(string(i.marshal()), text) {
			t.Errorf("%q was read and is written as %q", text, i.marshal())
		}
	})
}

func TestInstanceRefuses(t *testing.T) {
	var i Instance
	good := string((&Instance{}).marshal())
	if err := i.parse(good); err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"": "not an instance",
		strings.Replace(good, "instance 1", "instance 2", 1): "newer",
		strings.Replace(good, "salt 00", "salt 0", 1):        "damaged",
		good + "more\n": "damaged",
	} {
		if err := i.parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}
