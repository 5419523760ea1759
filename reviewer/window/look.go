package window

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// How a session's user wants windows to look. Under X11 the display itself tells the window what its
// desktop set; what is set here is not told that way, or not under Wayland.
var looks = []string{"GTK_THEME", "GDK_SCALE", "GDK_DPI_SCALE"}

// What the desktop answers where that is not set: its portal, which GNOME, XFCE and others have.
const (
	appearance, scheme = "org.freedesktop.appearance", "color-scheme" // 1: dark is preferred
	interfaces, text   = "org.gnome.desktop.interface", "text-scaling-factor"
	dark               = "Adwaita:dark"
)

// look gives the variables that make the window look as the session's user wants it. The box keeps
// the window from asking for itself; what comes in are a theme's name and numbers. Larger text is
// told by an X server, and a second time would be once too often.
func look(ctx context.Context, d display) (set [][2]string) {
	given := map[string]string{}
	for _, name := range looks {
		if v := os.Getenv(name); v != "" {
			given[name] = v
			set = append(set, [2]string{name, v})
		}
	}
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if given["GTK_THEME"] == "" && portal(ctx, appearance, scheme) == "1" {
		set = append(set, [2]string{"GTK_THEME", dark})
	}
	if d.wayland != "" && given["GDK_DPI_SCALE"] == "" {
		if f, err := strconv.ParseFloat(portal(ctx, interfaces, text), 64); err == nil && f != 1 && f >= 0.5 && f <= 3 {
			set = append(set, [2]string{"GDK_DPI_SCALE", strconv.FormatFloat(f, 'g', 4, 64)})
		}
	}
	return set
}

// portal asks the desktop for a setting, a number; "" when there is none.
func portal(ctx context.Context, namespace, key string) string {
	send, err := exec.LookPath("dbus-send")
	if err != nil {
		return ""
	}
	cmd := exec.CommandContext(ctx, send, "--bus="+sessionBus(), "--print-reply=literal", "--dest=org.freedesktop.portal.Desktop", //nolint:gosec // a program of the system, called without a shell
		"/org/freedesktop/portal/desktop", "org.freedesktop.portal.Settings.Read", "string:"+namespace, "string:"+key)
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(out)) // "variant variant uint32 1"
	if len(fields) == 0 {
		return ""
	}
	return fields[len(fields)-1]
}
