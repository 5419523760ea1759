package windowtest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Type types on the keyboard, into what has the focus. Any script.
func (s *Session) Type(text string) {
	s.Helper()
	for i, line := range strings.Split(text, "\n") { // a break among what is typed gets lost
		if i > 0 {
			s.Key("Return")
		}
		if s.wayland {
			s.Run("wtype", "-s", ready, "-d", "40", "--", line)
		} else {
			s.Run("xdotool", "type", "--delay", "40", line)
		}
	}
}

// ready is how many milliseconds a window is given to learn of a new keyboard under Wayland.
const ready = "300"

// Key presses keys, named as X does: "Tab", "alt+Left", "ctrl+p".
func (s *Session) Key(chords ...string) {
	s.Helper()
	if !s.wayland {
		s.Run("xdotool", append([]string{"key", "--delay", "40"}, chords...)...)
		return
	}
	args := []string{"-s", ready}
	for _, c := range chords {
		keys := strings.Split(c, "+")
		last := len(keys) - 1
		for _, k := range keys[:last] {
			args = append(args, "-M", k)
		}
		args = append(args, "-k", keys[last])
		for _, k := range keys[:last] {
			args = append(args, "-m", k)
		}
		args = append(args, "-s", ready) // and to see the key before its keyboard is gone
	}
	s.Run("wtype", args...)
}

// Fill makes the newest window as large as the screen of an X server, which has no window manager.
func (s *Session) Fill() {
	s.Helper()
	if s.wayland {
		return
	}
	ids := strings.Fields(s.Run("xdotool", "search", "--sync", "--onlyvisible", "--class", "postern-desk"))
	s.Run("xdotool", "windowsize", "--sync", ids[len(ids)-1], strconv.Itoa(s.width), strconv.Itoa(s.height))
	s.Until("the window is drawn in its new size", func() bool {
		b, err := os.ReadFile(s.screenFile())
		return err == nil && len(b) > 4 && !bytes.Equal(b[len(b)-4:], make([]byte, 4)) // the screen is black where there is none
	})
}

// Front gives the newest window the keyboard, as a window manager does when the one over it has ended.
func (s *Session) Front() {
	s.Helper()
	ids := strings.Fields(s.Run("xdotool", "search", "--sync", "--onlyvisible", "--class", "postern-desk"))
	s.Run("xdotool", "windowfocus", "--sync", ids[len(ids)-1])
}

// Title is the newest window's.
func (s *Session) Title() string {
	s.Helper()
	ids := strings.Fields(s.Run("xdotool", "search", "--sync", "--onlyvisible", "--class", "postern-desk"))
	return strings.TrimSpace(s.Run("xdotool", "getwindowname", ids[len(ids)-1]))
}

// Screenshot saves what the screen shows in the folder that POSTERN_SCREENSHOTS names, or in
// screenshots/window/ at the top of the tree.
func (s *Session) Screenshot(name string) {
	s.Helper()
	_, here, _, _ := runtime.Caller(0)
	file := filepath.Join(cmp.Or(os.Getenv("POSTERN_SCREENSHOTS"), filepath.Join(filepath.Dir(here), "../../../screenshots/window")), name+".png")
	picture, err := s.Screen()
	var out bytes.Buffer
	if err == nil {
		err = png.Encode(&out, picture)
	}
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

// Screen is what the screen shows, once it changes no more.
func (s *Session) Screen() (image.Image, error) {
	b, err := s.still()
	if err != nil {
		return nil, err
	}
	if s.wayland {
		return png.Decode(bytes.NewReader(b))
	}
	return screen(b)
}

// Drawn does something and gives how long after its begin the screen changed for the last time: once
// nothing has changed for half a second.
func (s *Session) Drawn(do func()) time.Duration {
	s.Helper()
	f, err := os.Open(s.screenFile())
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		s.Fatal(err)
	}
	now, err := syscall.Mmap(int(f.Fd()), 0, int(st.Size()), syscall.PROT_READ, syscall.MAP_SHARED) //nolint:gosec // a descriptor
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = syscall.Munmap(now) }()
	before := bytes.Clone(now)
	began := time.Now()
	do()
	last := began
	for changed := false; ; time.Sleep(time.Millisecond) {
		if !bytes.Equal(before, now) {
			last, changed = time.Now(), true
			copy(before, now)
		}
		if quiet := time.Since(last); changed && quiet > 500*time.Millisecond {
			return last.Sub(began)
		} else if quiet > Patience {
			s.Fatal("the screen does not change")
		}
	}
}

func (s *Session) screenFile() string { return filepath.Join(s.Dir, "screen", "Xvfb_screen0") }

// still is the screen once it changes no more; a caret goes on blinking.
func (s *Session) still() (b []byte, err error) {
	for range 10 {
		before := b
		time.Sleep(200 * time.Millisecond)
		if s.wayland {
			b, err = s.Command("grim", "-l", "0", "-").Output()
		} else {
			b, err = os.ReadFile(s.screenFile())
		}
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
