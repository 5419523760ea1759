package main

import (
	"fmt"
	"os"
	"reflect"

	"github.com/ebitengine/purego"
)

// A ptr points at something of the libraries'. Nothing of Go's is ever kept by them.
type ptr = uintptr

// c is what is used of the libraries; the tag is the name in C. Nothing checks
// these types against the headers. They are part of the libraries' binary
// interface, which a library of another interface would carry in its name, and
// none of these functions is variadic.
var c struct {
	Ref        func(ptr) ptr                                             `c:"g_object_ref"`
	Unref      func(ptr)                                                 `c:"g_object_unref"`
	Connect    func(o ptr, signal string, f, d, n ptr, flags int32) uint `c:"g_signal_connect_data"`
	Idle       func(f, data ptr) uint32                                  `c:"g_idle_add"`
	Bytes      func(p *byte, n uint) ptr                                 `c:"g_bytes_new"`
	BytesUnref func(ptr)                                                 `c:"g_bytes_unref"`
	Stream     func(bytes ptr) ptr                                       `c:"g_memory_input_stream_new_from_bytes"`
	Read       func(s ptr, b *byte, n uint, cancel, err ptr) int         `c:"g_input_stream_read"`
	Quark      func(string) uint32                                       `c:"g_quark_from_string"`
	Error      func(domain uint32, code int32, msg string) ptr           `c:"g_error_new_literal"`
	ErrorFree  func(ptr)                                                 `c:"g_error_free"`
	Gettext    func(domain, msg string) string                           `c:"g_dgettext"`
	SetName    func(string)                                              `c:"g_set_prgname"`
	HeadersNew func(kind int32) ptr                                      `c:"soup_message_headers_new"`
	HeadersEnd func(ptr)                                                 `c:"soup_message_headers_unref"`
	HeaderAdd  func(h ptr, k, v string)                                  `c:"soup_message_headers_append"`
	HeaderGet  func(h ptr, k string) string                              `c:"soup_message_headers_get_one"`

	Init       func(argc, argv ptr) int32           `c:"gtk_init_check"`
	Main       func()                               `c:"gtk_main"`
	Window     func(kind int32) ptr                 `c:"gtk_window_new"`
	Title      func(w ptr, title string)            `c:"gtk_window_set_title"`
	Size       func(w ptr, x, y int32)              `c:"gtk_window_set_default_size"`
	Add        func(w, child ptr)                   `c:"gtk_container_add"`
	Show       func(w ptr)                          `c:"gtk_widget_show_all"`
	Focus      func(w ptr)                          `c:"gtk_widget_grab_focus"`
	Keyval     func(e ptr, v *uint32) int32         `c:"gdk_event_get_keyval"`
	Keycode    func(e ptr, v *uint16) int32         `c:"gdk_event_get_keycode"`
	State      func(e ptr, v *uint32) int32         `c:"gdk_event_get_state"`
	Unicode    func(keyval uint32) uint32           `c:"gdk_keyval_to_unicode"`
	DragStatus func(d ptr, action int32, t uint32)  `c:"gdk_drag_status"`
	DragFinish func(d ptr, ok, del int32, t uint32) `c:"gtk_drag_finish"`
	PrintNew   func() ptr                           `c:"gtk_print_settings_new"`
	PrintSet   func(s ptr, k, v string)             `c:"gtk_print_settings_set"`

	Context     func() ptr                              `c:"webkit_web_context_new_ephemeral"`
	Sandbox     func(ctx ptr, on int32)                 `c:"webkit_web_context_set_sandbox_enabled"`
	Cache       func(ctx ptr, model int32)              `c:"webkit_web_context_set_cache_model"`
	Spelling    func(ctx ptr, on int32)                 `c:"webkit_web_context_set_spell_checking_enabled"`
	Scheme      func(ctx ptr, name string, f, d, n ptr) `c:"webkit_web_context_register_uri_scheme"`
	Security    func(ctx ptr) ptr                       `c:"webkit_web_context_get_security_manager"`
	Secure      func(m ptr, scheme string)              `c:"webkit_security_manager_register_uri_scheme_as_secure"`
	Settings    func() ptr                              `c:"webkit_settings_new"`
	Accel       func(s ptr, policy int32)               `c:"webkit_settings_set_hardware_acceleration_policy"`
	View        func(ctx ptr) ptr                       `c:"webkit_web_view_new_with_context"`
	SetSettings func(v, s ptr)                          `c:"webkit_web_view_set_settings"`
	Load        func(v ptr, uri string)                 `c:"webkit_web_view_load_uri"`
	Back        func(v ptr)                             `c:"webkit_web_view_go_back"`
	Forward     func(v ptr)                             `c:"webkit_web_view_go_forward"`
	Reload      func(v ptr)                             `c:"webkit_web_view_reload"`
	GetTitle    func(v ptr) string                      `c:"webkit_web_view_get_title"`
	GetURI      func(v ptr) string                      `c:"webkit_web_view_get_uri"`
	Zoom        func(v ptr) float64                     `c:"webkit_web_view_get_zoom_level"`
	SetZoom     func(v ptr, z float64)                  `c:"webkit_web_view_set_zoom_level"`
	Print       func(v ptr) ptr                         `c:"webkit_print_operation_new"`
	PrintWith   func(p, s ptr)                          `c:"webkit_print_operation_set_print_settings"`
	PrintRun    func(p ptr)                             `c:"webkit_print_operation_print"`
	ReqMethod   func(r ptr) string                      `c:"webkit_uri_scheme_request_get_http_method"`
	ReqURI      func(r ptr) string                      `c:"webkit_uri_scheme_request_get_uri"`
	ReqHeaders  func(r ptr) ptr                         `c:"webkit_uri_scheme_request_get_http_headers"`
	ReqBody     func(r ptr) ptr                         `c:"webkit_uri_scheme_request_get_http_body"`
	ReqFail     func(r, e ptr)                          `c:"webkit_uri_scheme_request_finish_error"`
	ReqFinish   func(r, a ptr)                          `c:"webkit_uri_scheme_request_finish_with_response"`
	Response    func(s ptr, n int64) ptr                `c:"webkit_uri_scheme_response_new"`
	Status      func(a ptr, status uint32, reason ptr)  `c:"webkit_uri_scheme_response_set_status"`
	Type        func(a ptr, t string)                   `c:"webkit_uri_scheme_response_set_content_type"`
	Headers     func(a, h ptr)                          `c:"webkit_uri_scheme_response_set_http_headers"`
	NavAction   func(d ptr) ptr                         `c:"webkit_navigation_policy_decision_get_navigation_action"`
	NavRequest  func(a ptr) ptr                         `c:"webkit_navigation_action_get_request"`
	NavType     func(a ptr) int32                       `c:"webkit_navigation_action_get_navigation_type"`
	NavURI      func(r ptr) string                      `c:"webkit_uri_request_get_uri"`
	Showable    func(d ptr) int32                       `c:"webkit_response_policy_decision_is_mime_type_supported"`
	Use         func(d ptr)                             `c:"webkit_policy_decision_use"`
	Ignore      func(d ptr)                             `c:"webkit_policy_decision_ignore"`
	Deny        func(r ptr)                             `c:"webkit_permission_request_deny"`
	NoFile      func(r ptr)                             `c:"webkit_file_chooser_request_cancel"`
}

var libraries []ptr

// load opens the libraries and finds all of c in them.
func load() {
	for _, name := range []string{
		"libwebkit2gtk-4.1.so.0", "libgtk-3.so.0", "libgdk-3.so.0", "libsoup-3.0.so.0",
		"libgio-2.0.so.0", "libgobject-2.0.so.0", "libglib-2.0.so.0",
	} {
		lib, err := purego.Dlopen(name, purego.RTLD_LAZY|purego.RTLD_GLOBAL)
		if err != nil {
			die("%v: install the package libwebkit2gtk-4.1-0", err)
		}
		libraries = append(libraries, lib)
	}
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		purego.RegisterFunc(v.Field(i).Addr().Interface(), symbol(v.Type().Field(i).Tag.Get("c")))
	}
}

func symbol(name string) ptr {
	for _, lib := range libraries {
		if s, err := purego.Dlsym(lib, name); err == nil {
			return s
		}
	}
	die("the libraries of this system lack %s: WebKitGTK 2.40 or newer is needed", name)
	return 0
}

// off turns WebKit's settings of these names off.
func off(settings ptr, names ...string) {
	for _, name := range names {
		var set func(s ptr, on int32)
		purego.RegisterFunc(&set, symbol("webkit_settings_set_"+name))
		set(settings, 0)
	}
}

// on calls f at each signal of o. after: only when nothing else has dealt with it.
func on(o ptr, signal string, f any) { connect(o, signal, f, 0) }

func after(o ptr, signal string, f any) { connect(o, signal, f, 1) }

func connect(o ptr, signal string, f any, flags int32) {
	c.Connect(o, signal, callback(f), 0, 0, flags)
}

// callback makes a function that C can call. There is room for 2,000 in a
// process's life, so each is made once.
func callback(f any) ptr { return purego.NewCallback(f) }

func die(format string, a ...any) {
	fmt.Fprintf(os.Stderr, "postern-window: "+format+"\n", a...)
	os.Exit(1)
}
