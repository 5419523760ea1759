package instance

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/crypto"
)

// The file that init writes is the manual: it must read as the defaults, and
// hold every key there is.
func TestConfigTemplate(t *testing.T) {
	conf := Defaults()
	conf.Name = "example"
	text := conf.Text()
	c, err := ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "example" || c.Storage.Quota != 20<<30 || c.Limits.FileSize != 500e6 || time.Duration(c.Drain) != 10*time.Minute {
		t.Errorf("read %+v", c)
	}
	if diff := cmp.Diff(&conf, c, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the defaults, written and read: %s", diff)
	}
	short, err := ParseConfig(`name = "example"`)
	if diff := cmp.Diff(&conf, short, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("what is not in the file has not its default: %v, %s", err, diff)
	}
	for _, key := range []string{
		"name", "languages", "run", "drain", "quota", "reserve_text", "key_wrapped_by", "file_size", "files", "hours", "size", "urgent",
		"slots", "quorum", "roots", "days", "mode", "binary", "control_socket", "proof_of_work", "max_streams", "torrc", "recipient",
	} {
		if n := strings.Count(text, "\n"+key+" = "); n != 1 {
			t.Errorf("%s stands in the template %d times", key, n)
		}
	}
}

// What restore writes is what the backup's configuration said.
func TestConfigReadsBack(t *testing.T) {
	conf := Config{
		Name: "other", Languages: []string{"fr", "en"}, Run: "/run/x", Drain: duration(90 * time.Second),
		Storage: storage{Quota: 3*1<<40 + 1, ReserveText: 11, KeyWrappedBy: "/a \"b\\ <é>\u2028"},
		Limits:  limits{FileSize: 1234567, Files: 7},
		Batches: batches{Hours: []int{1, 2, 3}, Size: 65, Urgent: 3}, Directory: dirPolicy{Slots: 8, Quorum: 1, Roots: 2, Days: 30},
		Tor:    torConfig{Mode: TorSystem, Binary: "/opt/tor", ControlSocket: "/x", MaxStreams: 9, Torrc: []string{"UseBridges 1", "Bridge \"a, b\"\t#"}},
		Backup: backupTo{crypto.NewIdentity().Recipient().String()},
	}
	got, err := ParseConfig(conf.Text())
	if diff := cmp.Diff(&conf, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ text, says string }{
		"unknown key":       {"quotas = 1", `unknown key "quotas"`},
		"unknown in table":  {"[storage]\nqota = \"1GiB\"", `unknown key "storage.qota"`},
		"a name with dots":  {`name = "abc.onion"`, "name"},
		"a classic backup":  {"[backup]\nrecipient = \"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"", "age1pq1"},
		"quota":             {"[storage]\nquota = \"10MB\"", "quota"},
		"no unit":           {"[storage]\nquota = \"10XB\"", "size"},
		"negative size":     {"[storage]\nquota = \"-10GB\"", "size"},
		"overflow":          {"[storage]\nquota = \"9999999999TiB\"", "size"},
		"hour":              {"[batches]\nhours = [24]", "hours"},
		"no hour":           {"[batches]\nhours = []", "hours"},
		"tor":               {"[tor]\nmode = \"yes\"", "mode"},
		"slots":             {"[directory]\nslots = 9", "slots"},
		"quorum":            {"[directory]\nquorum = 17", "directory"},
		"files over quota":  {"[limits]\nfile_size = \"30GiB\"", "file_size"},
		"reserve":           {"[storage]\nreserve_text = 0", "reserve_text"},
		"not a file at all": {"\x00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := tt.text
			if !strings.Contains(text, "name = ") {
				text = "name = \"example\"\n" + text
			}
			_, err := ParseConfig(text)
			if err == nil {
				t.Fatal("taken")
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v: says nothing of %q", err, tt.says)
			}
		})
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "2kB": 2000, "3 MiB": 3 << 20, "500MB": 500e6, "20GiB": 20 << 30, "1TiB": 1 << 40} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || int64(s) != want {
			t.Errorf("%q is %d, %v; want %d", text, s, err, want)
		}
	}
	for n, want := range map[Size]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 20 << 30: "20 GiB"} {
		if n.String() != want {
			t.Errorf("%d is %q, want %q", int64(n), n, want)
		}
	}
}
