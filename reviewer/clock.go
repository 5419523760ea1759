package reviewer

import "postern/crypto"

// maxSkew is how many days the machine's clock and the newest batch may
// differ before the holder is asked.
const maxSkew = 2

// Clock is what is known of today. Nobody sets the clock of an offline
// machine, and the day decides which month's keys a reply is sealed to and
// whether a directory is in force.
type Clock struct {
	Machine crypto.Day // what the machine says
	Batch   crypto.Day // release day of the newest batch imported; 0: none yet
}

// Clock reads the machine's clock and the newest batch's day.
func (v *Vault) Clock() Clock {
	return Clock{Machine: crypto.DayOf(v.o.now()), Batch: v.state.Newest}
}

// Today is the day to go by: the machine's, and never before the newest batch.
func (c Clock) Today() crypto.Day { return max(c.Machine, c.Batch) }

// Doubtful says that the two differ by more than 2 days: ask the holder
// whether Today is right before anything depends on it.
func (c Clock) Doubtful() bool {
	if c.Batch == 0 {
		return false
	}
	return max(c.Machine, c.Batch)-min(c.Machine, c.Batch) > maxSkew
}
