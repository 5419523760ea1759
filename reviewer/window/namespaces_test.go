package window

import (
	"errors"
	"strings"
	"testing"
)

// Where the system forbids the box, the refusal says which setting does, and what to type.
func TestNotOpened(t *testing.T) {
	const (
		debian = "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user namespaces."
		ubuntu = "bwrap: setting up uid map: Permission denied"
	)
	for _, c := range []struct{ said, setting, value, want string }{
		{debian, "kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"},
		{ubuntu, "kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor_restrict_unprivileged_userns=0 in /etc/sysctl.d/"},
		{"bwrap: Creating new namespace failed", "user/max_user_namespaces", "0", "user.max_user_namespaces="},
		{debian, "kernel/unprivileged_userns_clone", "1", "allow them to bwrap"},
		{"cannot open display", "kernel/unprivileged_userns_clone", "0", ""},
	} {
		err := notOpened(c.said, func(name string) string {
			if name == c.setting {
				return c.value
			}
			return ""
		})
		if !errors.Is(err, ErrNotOpened) || !strings.Contains(err.Error(), c.said) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.said, err)
		}
		if c.want == "" && strings.Contains(err.Error(), "sysctl") {
			t.Errorf("%q blames a setting: %v", c.said, err)
		}
	}
}
