package main

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

	"postern/crypto"
	"postern/intake"
	"postern/intake/onion"
	"postern/store"
)

// report is what `postern status --json` prints. Problems is empty when
// nothing needs the operator; otherwise the command fails.
type report struct {
	Server      bool            `json:"server"`
	Tor         *torReport      `json:"tor,omitempty"`
	Directory   *dirReport      `json:"directory,omitempty"`
	Storage     *storageReport  `json:"storage,omitempty"`
	Waiting     map[string]int  `json:"waiting,omitempty"`
	NextRelease string          `json:"next_release,omitempty"`
	Problems    []problemReport `json:"problems"`
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

type storageReport struct {
	Quota    int64 `json:"quota"`
	Used     int64 `json:"used"`
	FileSize int64 `json:"file_size"`
	FreeDisk int64 `json:"free_disk"`
}

type problemReport struct {
	What string `json:"what"`
	Do   string `json:"do"`
}

func (r *report) problem(what, do string) {
	r.Problems = append(r.Problems, problemReport{what, do})
}

// nearQuota is the part of the quota from which on the operator is told.
const nearQuota = 0.8

// status says how the instance is, and fails when something needs somebody.
func (c *cli) status(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := c.parse(fs, args, 0); err != nil {
		return err
	}
	i, err := openInstance(c.dir)
	if err != nil {
		return err
	}
	r := &report{Problems: []problemReport{}}
	var b bytes.Buffer
	err = i.ask(ctx, "status", &b)
	switch {
	case errors.Is(err, errNoServer):
		err = nil
		r.problem("the server does not run", "systemctl start postern; journalctl -u postern says why it stopped")
		i.inspect(r, time.Now())
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(b.Bytes(), r); err != nil {
			return fmt.Errorf("reading the server's answer: %w", err)
		}
	}
	if *asJSON {
		err = writeJSON(c.out, r)
	} else {
		r.print(c.out)
	}
	if err != nil {
		return err
	}
	if len(r.Problems) > 0 {
		return errReported
	}
	return nil
}

func (r *report) print(w io.Writer) {
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
		fmt.Fprintf(w, "storage    %v of %v used, %v on the disk, %v free there\n", size(s.Used), size(s.Quota), size(s.FileSize), size(s.FreeDisk))
	}
	for _, lane := range slices.Sorted(maps.Keys(r.Waiting)) {
		fmt.Fprintf(w, "waiting    %d %s\n", r.Waiting[lane], lane)
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

// opStatus answers for a running server.
func opStatus(_ context.Context, e *engine, w io.Writer) error {
	r := &report{Server: true, Problems: []problemReport{}}
	now := time.Now()
	e.inspect(r, now)
	e.inspectServer(r, now)
	e.inspectTor(r)
	return writeJSON(w, r)
}

// inspect looks at what needs no open database.
func (i *instance) inspect(r *report, now time.Time) {
	d, err := i.installed()
	i.inspectDirectory(r, d, err, now)
	i.inspectPages(r)
	inspectSwap(r, "/proc/swaps")
	if i.conf.Tor.Mode == torChild && !inMemory(i.runPath()) && !inMemory(memoryDir) {
		r.problem("there is no memory file system: the key of open forms lies on a disk", "mount a tmpfs on /dev/shm, or set run in postern.conf")
	}
	if i.conf.Backup.Recipient == "" {
		r.problem("there is no backup key", "set [backup] recipient in postern.conf")
	}
}

func inspectSwap(r *report, list string) {
	if n, err := swaps(list); err != nil || n > 0 {
		r.problem("swap is on: memory with what a source types can reach a disk", "swapoff -a, and take the line out of /etc/fstab")
	}
}

// inspectDirectory looks at what installed said.
func (i *instance) inspectDirectory(r *report, d *crypto.Directory, err error, now time.Time) {
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
		p, perr := i.readProposal()
		i.exchanges(d, func(holder string, err error) {
			if perr == nil && p != nil && !active(p, holder) {
				r.problem("holder "+holder+" is revoked here, and sources seal to them until the next directory is installed",
					"have proposal.txt signed today: README.md, Enrol reviewers, steps 3 to 5")
				return
			}
			r.problem("holder "+holder+" has no exchange: "+err.Error(), "postern reviewer rotate CARD")
		})
	}
}

// inspectServer looks at database, disk and batches.
func (e *engine) inspectServer(r *report, now time.Time) {
	free, err := freeDisk(e.dbPath())
	if err != nil {
		r.problem("the disk cannot be asked for its free space: "+err.Error(), "look at the disk")
	}
	u, err := e.intake.Usage()
	if err != nil {
		r.problem("the database failed: "+err.Error(), "systemctl restart postern, then postern check")
	} else {
		inspectStorage(r, u, free)
	}
	if waiting, err := e.intake.Waiting(); err == nil {
		r.Waiting = map[string]int{}
		for lane, name := range map[crypto.Lane]string{crypto.LaneRegular: "regular", crypto.LaneUrgent: "urgent", crypto.LaneFiles: "files"} {
			if waiting[lane] > 0 {
				r.Waiting[name] = waiting[lane]
			}
		}
	}
	r.NextRelease = e.intake.NextRelease().Format("2006-01-02 15:04 MST")
	if e.intake.Damaged() > 0 {
		r.problem("something stored did not open when a reviewer fetched a batch, and noise went out in its place", "postern check")
	}
	inspectUpkeep(r, e.lastUpkeep(), e.started, now)
}

func inspectStorage(r *report, u store.Usage, free int64) {
	const makeRoom = "free the disk, or raise [storage] quota; reviewers fetch, then batches end after 60 days"
	r.Storage = &storageReport{Quota: u.Quota, Used: u.Used, FileSize: u.FileSize, FreeDisk: free}
	switch {
	case !u.FreeSmall:
		r.problem("storage is full: reports are refused", makeRoom)
	case float64(u.Used) > nearQuota*float64(u.Quota):
		r.problem("storage is near its quota", makeRoom)
	case free < (u.Quota-u.FileSize)/20:
		r.problem("the disk will be full long before the quota is used", makeRoom)
	}
}

// inspectUpkeep looks at what the last night left undone.
func inspectUpkeep(r *report, u upkeep, started, now time.Time) {
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
func (e *engine) inspectTor(r *report) {
	if e.server == nil || e.server.tor == nil {
		return // [tor] mode none: somebody else answers for it
	}
	r.inspectTor(e.server.tor.Status(), e.server.tor.PID())
}

func (r *report) inspectTor(s onion.Status, pid int) {
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
