package windowtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Type types on the keyboard, into what has the focus. Any script.
func (s *Session) Type(text string) {
	s.Helper()
	s.Run("xdotool", "type", "--delay", "40", text)
}

// Key presses keys, named as X does: "Tab", "alt+Left", "ctrl+p".
func (s *Session) Key(chords ...string) {
	s.Helper()
	s.Run("xdotool", append([]string{"key", "--delay", "40"}, chords...)...)
}

// Fill makes the newest window as large as the screen, which has no window manager.
func (s *Session) Fill() {
	s.Helper()
	ids := strings.Fields(s.Run("xdotool", "search", "--sync", "--onlyvisible", "--class", "postern-desk"))
	s.Run("xdotool", "windowsize", "--sync", ids[len(ids)-1], strconv.Itoa(s.width), strconv.Itoa(s.height))
}

// Title is the newest window's.
func (s *Session) Title() string {
	s.Helper()
	ids := strings.Fields(s.Run("xdotool", "search", "--sync", "--onlyvisible", "--class", "postern-desk"))
	return strings.TrimSpace(s.Run("xdotool", "getwindowname", ids[len(ids)-1]))
}

// Screenshot saves what the screen shows in screenshots/window/, at the top of the tree.
func (s *Session) Screenshot(name string) {
	s.Helper()
	b, err := s.still()
	if err != nil {
		s.Error(err)
		return
	}
	picture, err := screen(b)
	if err != nil {
		s.Error(err)
		return
	}
	_, here, _, _ := runtime.Caller(0)
	file := filepath.Join(filepath.Dir(here), "../../../screenshots/window", name+".png")
	var out bytes.Buffer
	err = png.Encode(&out, picture)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o755) //nolint:gosec // pictures of tests
	}
	if err == nil {
		err = os.WriteFile(file, out.Bytes(), 0o644) //nolint:gosec // pictures of tests
	}
	if err != nil {
		s.Error(err)
	}
}

// still is the screen once it changes no more; a caret goes on blinking.
func (s *Session) still() (b []byte, err error) {
	for range 10 {
		before := b
		time.Sleep(200 * time.Millisecond)
		b, err = os.ReadFile(filepath.Join(s.Dir, "screen", "Xvfb_screen0"))
		if err != nil || before != nil && bytes.Equal(before, b) {
			break
		}
	}
	return b, err
}

// screen reads the X server's own memory of its screen, in the format of xwd: a
// header of big-endian numbers, colours that true colour does not use, and four bytes for a pixel.
func screen(b []byte) (image.Image, error) {
	const header, width, height, bits, line, colours = 0, 4, 5, 11, 12, 19 // indices of the numbers
	number := func(i int) int { return int(binary.BigEndian.Uint32(b[4*i:])) }
	if len(b) < 100 || number(bits) != 32 {
		return nil, fmt.Errorf("this is no screen of true colour: %d bytes", len(b))
	}
	const colour = 12 // bytes of a colour
	pixels := b[number(header)+number(colours)*colour:]
	m := image.NewRGBA(image.Rect(0, 0, number(width), number(height)))
	for y := range number(height) {
		for x := range number(width) {
			p := pixels[y*number(line)+4*x:]
			copy(m.Pix[m.PixOffset(x, y):], []byte{p[2], p[1], p[0], 255})
		}
	}
	return m, nil
}
