package main

import (
	"strings"
	"testing"
	"time"

	"postern/crypto"
)

// The file that init writes is the manual: it must read as the defaults, and
// hold every key there is.
func TestConfigTemplate(t *testing.T) {
	c, err := parseConfig(newConfig("example", "", 16, torChild, ""))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "example" || c.Storage.Quota != 20<<30 || c.Limits.FileSize != 500e6 || time.Duration(c.Drain) != 10*time.Minute {
		t.Errorf("read %+v", c)
	}
	short, err := parseConfig(`name = "example"`)
	if err != nil {
		t.Fatal(err)
	}
	if short.Batches.Size != c.Batches.Size || short.Tor.Binary != c.Tor.Binary || short.Directory.Slots != 16 {
		t.Errorf("what is not in the file has not its default: %+v", short)
	}
	for _, key := range []string{
		"name", "languages", "run", "drain", "quota", "reserve_text", "key_wrapped_by", "file_size", "files", "hours", "size", "urgent",
		"slots", "quorum", "roots", "days", "mode", "binary", "control_socket", "proof_of_work", "max_streams", "torrc", "recipient",
	} {
		if n := strings.Count(configTemplate, "\n"+key+" = "); n != 1 {
			t.Errorf("%s stands in the template %d times", key, n)
		}
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
			_, err := parseConfig(text)
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
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil || int64(s) != want {
			t.Errorf("%q is %d, %v; want %d", text, s, err, want)
		}
	}
	for n, want := range map[size]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 20 << 30: "20 GiB"} {
		if n.String() != want {
			t.Errorf("%d is %q, want %q", int64(n), n, want)
		}
	}
}

// What the instance file says, it says again.
func FuzzInstance(f *testing.F) {
	i := &instance{salt: [32]byte{1}}
	i.newID()
	f.Add(string(i.marshal()))
	f.Add("postern instance 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		var i instance
		if err := i.parse(text); err == nil && !strings.EqualFold(string(i.marshal()), text) {
			t.Errorf("%q was read and is written as %q", text, i.marshal())
		}
	})
}

func TestInstanceRefuses(t *testing.T) {
	var i instance
	good := string((&instance{}).marshal())
	if err := i.parse(good); err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"": "not an instance",
		strings.Replace(good, "instance 1", "instance 2", 1): "newer",
		strings.Replace(good, "salt 00", "salt 0", 1):        "damaged",
		good + "more\n": "damaged",
	} {
		if err := i.parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func TestLastDay(t *testing.T) {
	for month, want := range map[string]string{"2026-11": "2026-11-30", "2028-02": "2028-02-29", "2026-12": "2026-12-31"} {
		m, err := crypto.ParseMonth(month)
		if err != nil {
			t.Fatal(err)
		}
		if got := lastDay(m).String(); got != want {
			t.Errorf("last day of %s: %s, want %s", month, got, want)
		}
	}
}

func TestNextHour(t *testing.T) {
	for now, want := range map[string]string{
		"2026-11-24T02:59:59Z":      "2026-11-24T03:00:00Z",
		"2026-11-24T03:00:00Z":      "2026-11-25T03:00:00Z",
		"2026-12-31T23:00:00Z":      "2027-01-01T03:00:00Z",
		"2026-11-24T03:30:00+01:00": "2026-11-24T03:00:00Z",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextHour(at, tidyHour).Format(time.RFC3339); got != want {
			t.Errorf("after %s: %s, want %s", now, got, want)
		}
	}
}
