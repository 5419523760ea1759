package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/BurntSushi/toml"

	"postern/crypto"
	"postern/intake"
	"postern/web"
)

// Config is postern.conf. What each key means, its unit and its default stand
// in configTemplate, which `postern init` writes out: the file is the manual.
type Config struct {
	Name      string    `toml:"name"`
	Languages []string  `toml:"languages"`
	Run       string    `toml:"run"`
	Drain     duration  `toml:"drain"`
	Storage   storage   `toml:"storage"`
	Limits    limits    `toml:"limits"`
	Batches   batches   `toml:"batches"`
	Directory dirPolicy `toml:"directory"`
	Tor       torConfig `toml:"tor"`
	Backup    backupTo  `toml:"backup"`
}

type storage struct {
	Quota        Size   `toml:"quota"`
	ReserveText  int    `toml:"reserve_text"`
	KeyWrappedBy string `toml:"key_wrapped_by"`
}

type limits struct {
	FileSize Size `toml:"file_size"`
	Files    int  `toml:"files"`
}

type batches struct {
	Hours  []int `toml:"hours"`
	Size   int   `toml:"size"`
	Urgent int   `toml:"urgent"`
}

type dirPolicy struct {
	Slots  int `toml:"slots"`
	Quorum int `toml:"quorum"`
	Roots  int `toml:"roots"`
	Days   int `toml:"days"`
}

type torConfig struct {
	Mode          string   `toml:"mode"`
	Binary        string   `toml:"binary"`
	ControlSocket string   `toml:"control_socket"`
	ProofOfWork   bool     `toml:"proof_of_work"`
	MaxStreams    int      `toml:"max_streams"`
	Torrc         []string `toml:"torrc"`
}

type backupTo struct {
	Recipient string `toml:"recipient"`
}

// The values of [tor] mode.
const (
	TorChild  = "child"
	TorSystem = "system"
	TorNone   = "none"
)

// Defaults are what stands where the operator said nothing.
func Defaults() Config {
	return Config{
		Languages: []string{"en"},
		Drain:     duration(10 * time.Minute),
		Storage:   storage{Quota: 20 << 30, ReserveText: 10},
		Limits:    limits{FileSize: intake.DefaultFileSize, Files: intake.DefaultFiles},
		Batches:   batches{Hours: []int{6, 18}, Size: intake.DefaultBatchSize, Urgent: intake.DefaultUrgentSize},
		Directory: dirPolicy{Slots: 16, Quorum: 1, Roots: 1, Days: 365},
		Tor: torConfig{
			Mode: TorChild, Binary: "/usr/sbin/tor", ControlSocket: "/run/tor/control", ProofOfWork: true, MaxStreams: 64,
		},
	}
}

var configTemplate = template.Must(template.New("postern.conf").Funcs(template.FuncMap{
	"q":          tomlString,
	"list":       tomlList,
	"locales":    func() string { return strings.Join(web.Locales(), ", ") },
	"unreviewed": unreviewed,
}).Parse(`# The configuration of a Postern server. Every value here is the default and
# the safe choice. Unknown keys are refused, so that a typing error cannot
# switch something off. After a change: systemctl restart postern

# Names this instance in the directory that reviewers and sources verify.
# Lower case letters, digits and hyphens. Never the address; never changed later.
name = {{q .Name}}

# The languages of the source's pages. Browsers get the one they prefer, or else
# the first; every page offers the others. Enable those that your reviewers read.
# There are {{locales}}.
# Your own pages lie in "pages" beside this file (README.md, Your own pages) and are
# shown in the first of these where a translation lacks.
# No speaker has read all of these yet, which their pages say: {{unreviewed}}.
languages = {{list .Languages}}

# Where the sockets lie. Empty: /run/postern for the instance in
# /var/lib/postern, else the directory "run" beside this file, or one in /dev/shm if
# that path is too long or too unusual for tor. A memory file system (as /run is)
# keeps the key of open forms off the disk.
run = {{q .Run}}

# How long a stop waits for uploads that are running.
drain = "{{.Drain.Exact}}"

[storage]
# Bounds the database on the disk. Below the free space, with room to spare.
quota = "{{.Storage.Quota.Exact}}"
# Per cent of the quota that only text can use, so that reports still get in
# when files have filled the rest. Cover for all batches of two months has its own
# room in the quota, which reports cannot use: batches go out when storage is full.
reserve_text = {{.Storage.ReserveText}}
# A file whose content protects the storage key, for example a systemd
# credential ("/run/credentials/postern.service/storage"). Whoever steals the
# disk without it learns only how many records there are. Empty: the key lies
# in db/storage.key (0600). Given to postern init or restore, never changed later.
key_wrapped_by = {{q .Storage.KeyWrappedBy}}

[limits]
# Of one file, and how many files one form takes.
file_size = "{{.Limits.FileSize.Exact}}"
files = {{.Limits.Files}}

[batches]
# At these hours (UTC) a batch is ready for the reviewers, the same for all.
hours = {{list .Batches.Hours}}
# Messages in a regular batch; cover fills it up. Twice the busiest half day.
size = {{.Batches.Size}}
# Messages in the hourly urgent batch.
urgent = {{.Batches.Urgent}}

[directory]
# Every message carries this many locks, so that nobody can count its readers:
# 8, 16 or 32. There can be one holder fewer. Fixed when the database is made.
slots = {{.Directory.Slots}}
# How many bodies must work together to open a report. Only 1 for now.
quorum = {{.Directory.Quorum}}
# How many root keys must sign a directory.
roots = {{.Directory.Roots}}
# How long a new directory is valid, at most; never longer than the reviewers'
# monthly keys reach.
days = {{.Directory.Days}}

[tor]
# "child": postern starts tor itself. "system": a tor that runs already, through
# control_socket. "none": something else carries the sockets into Tor, see
# README.md; postern then knows no address.
mode = {{q .Tor.Mode}}
binary = {{q .Tor.Binary}}
control_socket = {{q .Tor.ControlSocket}}
# Visitors' browsers solve a puzzle when the service is flooded.
proof_of_work = {{.Tor.ProofOfWork}}
# Connections of one visitor at once.
max_streams = {{.Tor.MaxStreams}}
# More lines for the torrc of the child, for example bridges.
torrc = {{list .Tor.Torrc}}

[backup]
# The public half of a key that never touches this machine: age1pq1…
# On another machine:  postern backup key --to backup-key.txt
recipient = {{q .Backup.Recipient}}
`))

// tomlString quotes as JSON does, which TOML reads the same.
func tomlString(s string) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return strings.TrimSuffix(b.String(), "\n"), err
}

func tomlList(list any) (string, error) {
	var items []string
	switch list := list.(type) {
	case []int:
		for _, n := range list {
			items = append(items, strconv.Itoa(n))
		}
	case []string:
		for _, s := range list {
			q, err := tomlString(s)
			if err != nil {
				return "", err
			}
			items = append(items, q)
		}
	}
	return "[" + strings.Join(items, ", ") + "]", nil
}

// Text is the configuration as a file with its manual.
func (c *Config) Text() string {
	var b strings.Builder
	if err := configTemplate.Execute(&b, c); err != nil {
		panic(err) // a fault in the template: a test writes and reads it
	}
	return b.String()
}

// unreviewed are the languages whose words no speaker has read, as a list.
func unreviewed() string {
	list := slices.DeleteFunc(web.Locales(), func(lang string) bool { return web.Reviewed(lang) != "" })
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// ParseConfig reads a configuration. A key that is not there keeps its default.
func ParseConfig(text string) (*Config, error) {
	c := Defaults()
	m, err := toml.Decode(text, &c)
	if err != nil {
		return nil, err
	}
	if unknown := m.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("unknown key %q", unknown[0].String())
	}
	return &c, c.valid()
}

func (c *Config) validLanguages() error {
	if len(c.Languages) == 0 {
		return errors.New(`languages: name at least one, as ["en"]`)
	}
	for i, lang := range c.Languages {
		switch {
		case !slices.Contains(web.Locales(), lang):
			return fmt.Errorf("languages: no pages in %q; there are %s", lang, strings.Join(web.Locales(), ", "))
		case slices.Contains(c.Languages[:i], lang):
			return fmt.Errorf("languages: %q stands twice", lang)
		}
	}
	return nil
}

func (c *Config) valid() error {
	if !validName(c.Name) {
		return fmt.Errorf("name %q: use 1 to 40 of a-z, 0-9 and hyphens", c.Name)
	}
	if err := (crypto.Policy{Slots: c.Directory.Slots, Quorum: c.Directory.Quorum}).Valid(); err != nil {
		return fmt.Errorf("[directory]: %w", err)
	}
	if err := c.validLanguages(); err != nil {
		return err
	}
	if c.Run != "" {
		if err := takesSockets(c.Run); err != nil {
			return fmt.Errorf("run: %w", err)
		}
	}
	switch {
	case c.Drain < 0:
		return errors.New("drain: must not be negative")
	case c.Storage.ReserveText < 1 || c.Storage.ReserveText > 90:
		return errors.New("[storage] reserve_text: 1 to 90 per cent")
	case c.Limits.FileSize < 1<<20 || int64(c.Limits.FileSize) > min(int64(c.Storage.Quota), intake.MaxFileSize):
		return fmt.Errorf("[limits] file_size: at least 1MiB, at most %dMiB (what a batch can carry) and at most the quota", intake.MaxFileSize>>20)
	case c.Limits.Files < 1 || c.Limits.Files > 100:
		return errors.New("[limits] files: 1 to 100")
	case len(c.Batches.Hours) == 0 || slices.ContainsFunc(c.Batches.Hours, func(h int) bool { return h < 0 || h > 23 }):
		return errors.New("[batches] hours: one or more of 0 to 23")
	case c.Batches.Size < 1 || c.Batches.Size > 2048 || c.Batches.Urgent < 1 || c.Batches.Urgent > 256:
		return errors.New("[batches]: size 1 to 2048, urgent 1 to 256")
	case c.Directory.Roots < 1 || c.Directory.Roots > 9:
		return errors.New("[directory] roots: 1 to 9")
	case c.Directory.Days < 7 || c.Directory.Days > 400:
		return errors.New("[directory] days: 7 to 400")
	case !slices.Contains([]string{TorChild, TorSystem, TorNone}, c.Tor.Mode):
		return fmt.Errorf("[tor] mode %q: one of %q, %q, %q", c.Tor.Mode, TorChild, TorSystem, TorNone)
	case c.Tor.MaxStreams < 1 || c.Tor.MaxStreams > 65535:
		return errors.New("[tor] max_streams: 1 to 65535")
	}
	if least := Size(intake.LeastQuota(c.Directory.Slots, c.Batches.Hours, c.Batches.Size, c.Batches.Urgent, int64(c.Limits.FileSize))); c.Storage.Quota < least {
		return fmt.Errorf("[storage] quota: at least %v for these [batches], whose cover lies there for two months, and this file_size", least)
	}
	if c.Backup.Recipient != "" {
		if _, err := crypto.ParseRecipient(c.Backup.Recipient); err != nil {
			return fmt.Errorf("[backup] recipient: it must begin with age1pq1 (made by postern backup key or age-keygen -pq): %w", err)
		}
	}
	return nil
}

func readConfig(path string) (*Config, error) {
	b, err := os.ReadFile(path) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := ParseConfig(string(b))
	if err != nil {
		return nil, WithHint(fmt.Errorf("reading %s: %w", path, err),
			"correct the line; the comments in the file say what each key takes")
	}
	return c, nil
}

func validName(s string) bool {
	return s != "" && len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Size is a number of bytes: "500MB", "20GiB".
type Size int64

// UnmarshalText reads a number with a unit.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	digits := strings.TrimRight(text, "kKMGTiB ")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit, ok := int64(1), text == digits
	for _, u := range units {
		if u.name == strings.TrimSpace(text[len(digits):]) {
			unit, ok = u.bytes, true
		}
	}
	if err != nil || !ok || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("size %q: a number with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB", text)
	}
	*s = Size(n * unit)
	return nil
}

// units of a size, largest first.
var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1},
}

// Exact is the size as the configuration writes it.
func (s Size) Exact() string {
	for _, u := range units {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

// String is the size for people, rounded.
func (s Size) String() string {
	f, units := float64(s), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for len(units) > 1 && f >= 1024 {
		f, units = f/1024, units[1:]
	}
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") + " " + units[0]
}

// duration is a length of time: "90s", "10m".
type duration time.Duration

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = duration(v)
	return err
}

// Exact is the duration as the configuration writes it.
func (d duration) Exact() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	return s
}
