package server

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// tell informs systemd, when it started us; nothing otherwise.
func tell(state string) { _, _ = daemon.SdNotify(false, state) }

// watchdog tells systemd that we live, as often as it wants, for as long as
// alive says so.
func watchdog(ctx context.Context, alive func() bool) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	t := time.NewTicker(every / 2)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if alive() {
				tell(daemon.SdNotifyWatchdog)
			}
		}
	}
}
