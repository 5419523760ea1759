// Postern-window shows the pages that postern-desk makes. The desk starts it, in
// a box without network, files or session bus, and speaks with it over descriptor
// 3 (package reviewer/window); it is of no use by itself.
//
// It draws with WebKitGTK, through the libraries that the system has and without
// a C compiler. Scripts, storage, media and downloads are off, no page but the
// desk's is ever loaded, and WebKit builds its own sandbox inside the box. The
// window holds no key, keeps no file, and imports nothing of ours. What a page
// cannot do without scripts, the window does: printing makes a PDF that the desk
// gets, and a key that no field took is told to the desk.
//
//	main.go   the window
//	keys.go   its keys
//	link.go   requests and replies
//	lib.go    what is used of the libraries
package main

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const name = "postern-desk" // what the desktop and a screen reader call the window

var view ptr

func main() {
	if _, err := desk.Stat(); err != nil || len(os.Args) != 2 || !strings.HasPrefix(os.Args[1], "/") {
		die("postern-desk starts this program: run postern-desk")
	}
	// A crash leaves no core: 1 byte keeps the kernel from starting a helper for it, which 0 does not.
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 1, Max: 1})
	runtime.LockOSThread()
	load()
	c.SetName(name)
	if c.Init(0, 0) == 0 {
		die("the display cannot be opened")
	}
	view = newView()
	w := c.Window(0)
	on(w, "key-press-event", chord)
	after(w, "key-press-event", key)
	on(w, "destroy", func(_, _ ptr) { os.Exit(0) })
	on(view, "notify::title", func(_, _, _ ptr) { c.Title(w, c.GetTitle(view)) })
	c.Title(w, name)
	c.Add(w, view)
	c.Size(w, 1100, 800)
	go listen()
	c.Load(view, origin+os.Args[1])
	c.Show(w)
	c.Focus(view)
	c.Main()
}

// newView is WebKit with everything off that these pages do not need.
func newView() ptr {
	ctx := c.Context()
	c.Sandbox(ctx, 1)
	c.Cache(ctx, 0) // none
	c.Spelling(ctx, 0)
	c.Scheme(ctx, "desk", callback(ask), 0, 0)
	c.Secure(c.Security(ctx), "desk")
	s := c.Settings()
	off(s, "enable_javascript", "enable_javascript_markup", "javascript_can_access_clipboard", "javascript_can_open_windows_automatically",
		"enable_page_cache", "enable_offline_web_application_cache", "enable_html5_database", "enable_html5_local_storage",
		"enable_media", "enable_media_stream", "enable_mediasource", "enable_webaudio", "enable_webgl", "enable_webrtc",
		"enable_developer_extras", "enable_dns_prefetching", "enable_fullscreen",
		"enable_site_specific_quirks", "enable_back_forward_navigation_gestures")
	c.Accel(s, 2) // never
	v := c.View(ctx)
	c.SetSettings(v, s)
	on(v, "decide-policy", decide)
	on(v, "load-failed", func(_ ptr, _ int32, _, _, _ ptr) int32 { return 1 }) // no page of WebKit's own
	on(v, "context-menu", func(_, _, _, _, _ ptr) int32 { return 1 })
	on(v, "permission-request", func(_, r, _ ptr) int32 { c.Deny(r); return 1 })
	on(v, "run-file-chooser", func(_, r, _ ptr) int32 { c.NoFile(r); return 1 })
	on(v, "drag-motion", func(_, d ptr, _, _ int32, t uint32, _ ptr) int32 { c.DragStatus(d, 0, t); return 1 })
	on(v, "drag-drop", func(_, d ptr, _, _ int32, t uint32, _ ptr) int32 { c.DragFinish(d, 0, 0, t); return 1 })
	on(v, "web-process-terminated", lost)
	return v
}

// submitting is set while a form is on its way: who goes back to what a form brought sends it again.
var submitting bool

// decide lets only our own pages in, into this one window, and no form a second time.
func decide(_, d ptr, kind int32, _ ptr) int32 {
	const (
		navigation, response = 0, 2 // kinds of decisions; 1 is a new window
		submitted, again     = 1, 4 // navigation types: a form, and what a form brought anew
	)
	use := false
	switch kind {
	case navigation:
		a := c.NavAction(d)
		kind := c.NavType(a)
		submitting = kind == submitted
		use = strings.HasPrefix(c.NavURI(c.NavRequest(a)), origin+"/") && kind != again
	case response:
		use = c.Showable(d) != 0
	}
	if use {
		c.Use(d)
	} else {
		c.Ignore(d)
	}
	return 1
}

var lostAt time.Time

// lost is called when a page has ended the process that showed it.
func lost(_ ptr, _ int32, _ ptr) {
	if time.Since(lostAt) < 5*time.Second {
		die("two pages one after the other ended the process that showed them")
	}
	lostAt = time.Now()
	tell(askLost, nil)
}

// pdf makes a PDF of the page in the box's own /tmp, which is memory, and hands it to the desk.
func pdf() {
	p, s := c.Print(view), c.PrintNew()
	c.PrintSet(s, "output-file-format", "pdf")
	c.PrintSet(s, "output-uri", "file://"+pdfFile)
	c.PrintSet(s, "printer", c.Gettext("gtk30", "Print to File"))
	c.PrintWith(p, s)
	c.Unref(s)
	c.Connect(p, "finished", onPrinted, 0, 0, 0)
	c.PrintRun(p)
}

const pdfFile = "/tmp/page.pdf"

var onPrinted = callback(func(p, _ ptr) {
	data, err := os.ReadFile(pdfFile)
	_ = os.Remove(pdfFile)
	if err == nil {
		tell(askPrint, data)
	}
	c.Unref(p)
})
