package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"postern/cmd/postern/internal/instance"
	"postern/crypto"
	"postern/intake"
	"postern/intake/onion"
	"postern/store"
)

// Report is what `postern status --json` prints. Problems is empty when
// nothing needs the operator; otherwise the command fails.
type Report struct {
	Server      bool           `json:"server"`
	Tor         *torReport     `json:"tor,omitempty"`
	Directory   *dirReport     `json:"directory,omitempty"`
	Storage     *storageReport `json:"storage,omitempty"`
	NextRelease string         `json:"next_release,omitempty"`
	Problems    []Problem      `json:"problems"`
}

type torReport struct {
	Up        bool            `json:"up"`
	Progress  int             `json:"progress"`
	Published map[string]bool `json:"published"`
	Restarts  int             `json:"restarts"`
	PID       int             `json:"pid,omitempty"` // of the child
}

type dirReport struct {
	Version uint64 `json:"version"`
	Expires string `json:"expires"`
	Bodies  int    `json:"bodies"`
}

// storageReport has levels and no numbers. Monitoring asks every minute and keeps
// what it is told: of a count, the minute of every report could be read there
// (SECURITY.md S-20).
type storageReport struct {
	Quota string `json:"quota"`
	Used  string `json:"used"` // of it: one of the levels
	Files bool   `json:"room_for_files"`
}

// The levels of what is used.
const (
	underHalf  = "under half"
	overHalf   = "over half"
	nearlyFull = "nearly full"
	full       = "full"
)

// Problem is what needs the operator, and what to do about it.
type Problem struct {
	What string `json:"what"`
	Do   string `json:"do"`
}

func (r *Report) problem(what, do string) {
	r.Problems = append(r.Problems, Problem{what, do})
}

// nearQuota is the part of the quota from which on the operator is told.
const nearQuota = 0.8

// Print says it in words.
func (r *Report) Print(w io.Writer) {
	if r.Server {
		fmt.Fprintln(w, "server     runs")
	}
	if t := r.Tor; t != nil {
		n := 0
		for _, ok := range t.Published {
			if ok {
				n++
			}
		}
		fmt.Fprintf(w, "tor        %d %% of the way into the network, %d of %d addresses published\n", t.Progress, n, len(t.Published))
	}
	if d := r.Directory; d != nil {
		fmt.Fprintf(w, "directory  version %d, %d bodies, valid to %s\n", d.Version, d.Bodies, d.Expires)
	}
	if s := r.Storage; s != nil {
		fmt.Fprintf(w, "storage    %s of %s used\n", s.Used, s.Quota)
	}
	if r.NextRelease != "" {
		fmt.Fprintf(w, "next batch %s\n", r.NextRelease)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "PROBLEM    %s\n           %s\n", p.What, p.Do)
	}
	if len(r.Problems) == 0 {
		fmt.Fprintln(w, "All is well.")
	}
}

// Status asks a running server how it is, or looks at what it can without one.
func Status(ctx context.Context, i *instance.Instance) (*Report, error) {
	r := &Report{Problems: []Problem{}}
	var b bytes.Buffer
	err := Ask(ctx, i, "status", &b)
	switch {
	case errors.Is(err, ErrNoServer):
		r.problem("the server does not run", "systemctl start postern; journalctl -u postern says why it stopped")
		inspect(i, r, time.Now())
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(b.Bytes(), r); err != nil {
			return nil, fmt.Errorf("reading the server's answer: %w", err)
		}
	}
	return r, nil
}

// opStatus answers for a running server.
func opStatus(_ context.Context, e *engine, w io.Writer) error {
	r := &Report{Server: true, Problems: []Problem{}}
	now := time.Now()
	inspect(e.Instance, r, now)
	e.inspectServer(r, now)
	e.inspectTor(r)
	return WriteJSON(w, r)
}

// inspect looks at what needs no open database.
func inspect(i *instance.Instance, r *Report, now time.Time) {
	d, err := i.Installed()
	inspectDirectory(i, r, d, err, now)
	inspectPages(i, r)
	inspectSwap(r, "/proc/swaps")
	if i.Conf.Tor.Mode == instance.TorChild && !inMemory(i.RunPath()) && !inMemory(instance.MemoryDir) {
		r.problem("there is no memory file system: the key of open forms lies on a disk", "mount a tmpfs on /dev/shm, or set run in postern.conf")
	}
	if i.Conf.Backup.Recipient == "" {
		r.problem("there is no backup key", "set [backup] recipient in postern.conf")
	}
}

func inspectSwap(r *Report, list string) {
	if n, err := swaps(list); err != nil || n > 0 {
		r.problem("swap is on: memory with what a source types can reach a disk", "swapoff -a, and take the line out of /etc/fstab")
	}
}

// inspectDirectory looks at what installed said.
func inspectDirectory(i *instance.Instance, r *Report, d *crypto.Directory, err error, now time.Time) {
	const renew = "postern directory propose, sign it on the root machine, postern directory install"
	switch {
	case errors.Is(err, crypto.ErrNotYet):
		r.problem("the clock of this machine stands before the day the directory was issued", "set the clock: timedatectl")
	case err != nil:
		r.problem(err.Error(), "install the newest signed directory again")
	case d == nil:
		r.problem("no directory is installed: nobody can report", "postern reviewer add CARD; README.md, Enrol reviewers")
	default:
		r.Directory = &dirReport{Version: d.Version, Expires: d.Expires.String(), Bodies: len(d.Bodies)}
		if d.Expired(now) {
			r.problem("the directory has expired: no new reports are taken", renew)
		} else if n := d.WarnDays(now); n > 0 {
			r.problem(fmt.Sprintf("the directory ends in %d days or fewer", n), renew)
		}
		p, perr := i.ReadProposal()
		i.Exchanges(d, func(holder string, err error) {
			if perr == nil && p != nil && !active(p, holder) {
				r.problem("holder "+holder+" is revoked here, and sources seal to them until the next directory is installed",
					"have proposal.txt signed today: README.md, Enrol reviewers, steps 3 to 5")
				return
			}
			r.problem("holder "+holder+" has no exchange: "+err.Error(), "postern reviewer rotate CARD")
		})
	}
}

// inspectPages tells of pages that are not shown as they lie there.
func inspectPages(i *instance.Instance, r *Report) {
	_, err := i.LoadPages()
	switch faults := instance.PageFaults(err); len(faults) {
	case 0:
	case 1:
		r.problem("one of your own pages is not right: "+faults[0], "correct it, then: postern pages")
	default:
		r.problem(fmt.Sprintf("%d of your own pages are not right, the first: %s", len(faults), faults[0]), "postern pages lists them all")
	}
}

// active says whether a holder is one who reads.
func active(d *crypto.Directory, holder string) bool {
	_, h := instance.FindHolder(d, holder)
	return h != nil && h.Status == crypto.StatusActive
}

// inspectServer looks at database, disk and batches.
func (e *engine) inspectServer(r *Report, now time.Time) {
	free, err := freeDisk(e.DBPath())
	if err != nil {
		r.problem("the disk cannot be asked for its free space: "+err.Error(), "look at the disk")
	}
	u, err := e.intake.Usage()
	if err != nil {
		r.problem("the database failed: "+err.Error(), "systemctl restart postern, then postern check")
	} else {
		inspectStorage(r, u, free, largestSealed(e.Conf))
	}
	r.NextRelease = e.intake.NextRelease().Format("2006-01-02 15:04 MST")
	if e.intake.Damaged() > 0 {
		r.problem("something stored did not open when a reviewer fetched a batch, and noise went out in its place", "postern check")
	}
	inspectUpkeep(r, e.lastUpkeep(), e.started, now)
}

// largestSealed is what the largest file that sources may send takes.
func largestSealed(c *instance.Config) int64 {
	return crypto.SealedSize(c.Directory.Slots, crypto.ClassSize(crypto.ClassOf(int64(c.Limits.FileSize)+1<<20)))
}

func inspectStorage(r *Report, u store.Usage, free, largest int64) {
	const makeRoom = "free the disk, or raise [storage] quota; reviewers fetch, then batches end after 60 days"
	s := &storageReport{Quota: instance.Size(u.Quota).String(), Used: underHalf, Files: u.FreeLarge >= largest}
	r.Storage = s
	switch {
	case !u.FreeSmall:
		s.Used = full
		r.problem("storage is full: reports are refused", makeRoom)
	case !s.Files:
		s.Used = nearlyFull
		r.problem("storage has no room for the largest files: sources read that theirs was not received", makeRoom)
	case float64(u.Used) > nearQuota*float64(u.Quota):
		s.Used = nearlyFull
		r.problem("storage is near its quota", makeRoom)
	case u.Used > u.Quota/2:
		s.Used = overHalf
	}
	if u.FreeSmall && free < (u.Quota-u.FileSize)/20 {
		r.problem("the disk will be full long before the quota is used", makeRoom)
	}
}

// inspectUpkeep looks at what the last night left undone.
func inspectUpkeep(r *Report, u upkeep, started, now time.Time) {
	if u.vacuum != nil || now.Sub(started) > tidyLate && now.Sub(u.vacuumed) > tidyLate {
		r.problem("what was erased is not unreadable yet: the nightly vacuum failed", "postern vacuum says why")
	}
	switch {
	case u.retention == nil, errors.Is(u.retention, errSkew): // tor's status names the clock
	case errors.Is(u.retention, intake.ErrClock):
		r.problem(intake.ErrClock.Error()+": nothing is ended by age", confirmClock)
	default:
		r.problem("what has lived long enough was not ended: "+u.retention.Error(), "postern check")
	}
}

// inspectTor looks at the way to the instance.
func (e *engine) inspectTor(r *Report) {
	if e.server == nil || e.server.tor == nil {
		return // [tor] mode none: somebody else answers for it
	}
	r.inspectTor(e.server.tor.Status(), e.server.tor.PID())
}

func (r *Report) inspectTor(s onion.Status, pid int) {
	r.Tor = &torReport{Up: s.Up, Progress: s.Progress, Published: s.Published, Restarts: s.Restarts, PID: pid}
	const look = "journalctl -u postern shows what tor says; README.md, A dead onion at night"
	if s.Clock {
		r.problem(errSkew.Error()+": no batch is made, and nothing is ended by age", setClock)
	}
	switch {
	case !s.Up:
		r.problem("tor is down", look)
	case !s.Bootstrapped:
		r.problem(fmt.Sprintf("tor is %d %% of the way into the network", s.Progress), "wait two minutes; then: "+look)
	default:
		for _, name := range slices.Sorted(maps.Keys(s.Published)) {
			if !s.Published[name] {
				r.problem("the address of "+name+" is not published", "wait two minutes; then: "+look)
			}
		}
	}
}
