package web

import (
	"bytes"
	"image/png"
	"os"
	"testing"

	"postern/web/browsertest"
)

// The README's picture of a source's page, from the server as it runs. It is made anew where
// POSTERN_PICTURES is set (make pictures).
func TestPicture(t *testing.T) {
	names := map[string]string{
		"ombuds": "Ombuds Institution for the Armed Forces", "audit": "Court of Audit", "press": "The Morning Courier", "ministry": "Ministry of Defence",
	}
	w := newWorld(t, func(c *settings) {
		for i := range c.bodies {
			c.bodies[i].Names = map[string]string{"en": names[c.bodies[i].ID]}
		}
	})
	tab, err := browsertest.OpenChromium(t).Tab()
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	if err := tab.Size(1000, 900, 1); err != nil {
		t.Fatal(err)
	}
	if err := tab.Go(w.url + "/report"); err != nil {
		t.Fatal(err)
	}
	picture(t, "picture", tab.Screenshot)
	shot, err := tab.Screenshot(false)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("POSTERN_PICTURES") != "" {
		if err := browsertest.WritePicture("pictures/report.png", m); err != nil {
			t.Fatal(err)
		}
	}
}
