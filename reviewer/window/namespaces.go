package window

import (
	"fmt"
	"os"
	"strings"
)

// What keeps ordinary programs from making the namespaces of which the box is made, and
// what an administrator types to let them.
var closed = []struct{ setting, value, open string }{
	{"kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"},                         // Debian
	{"kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"}, // Ubuntu
	{"user/max_user_namespaces", "0", "user.max_user_namespaces=10000"},
}

// setting reads one of the kernel's; "" when it has none of that name.
func setting(name string) string {
	b, _ := os.ReadFile("/proc/sys/" + name) //nolint:gosec // one of the list
	return strings.TrimSpace(string(b))
}

// notOpened is [ErrNotOpened] with what the box said, and with what to do where the
// system forbids it.
func notOpened(said string, setting func(string) string) error {
	err := fmt.Errorf("%w: %s", ErrNotOpened, said)
	if !strings.Contains(said, "namespace") && !strings.Contains(said, "uid map") && !strings.Contains(said, "RTM_NEWADDR") {
		return err
	}
	for _, c := range closed {
		if setting(c.setting) == c.value {
			return fmt.Errorf("%w\nThis system keeps programs from making user namespaces, and the window's box is made of them. Its administrator allows them with\nsysctl -w %s\nand for good with the line %[2]s in /etc/sysctl.d/90-postern-desk.conf", err, c.open)
		}
	}
	return fmt.Errorf("%w\nThe window's box is made of user namespaces, which this system, a container or a security module forbids: allow them to bwrap, or use another desktop", err)
}
