package crypto

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// fileVector is a vector of a file that travels: "key value" lines, keys may
// repeat, # begins a comment.
type fileVector struct {
	t *testing.T
	m map[string][]string
}

func readFileVector(t *testing.T, name string) fileVector {
	t.Helper()
	b := readVectorFile(t, name)
	v := fileVector{t, map[string][]string{}}
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, len(b)+1)
	for s.Scan() {
		if line := s.Text(); line != "" && line[0] != '#' {
			key, value, _ := strings.Cut(line, " ")
			v.m[key] = append(v.m[key], value)
		}
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return v
}

func readVectorFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (v fileVector) all(key string) []string {
	v.t.Helper()
	if len(v.m[key]) == 0 {
		v.t.Fatalf("vector has no %q", key)
	}
	return v.m[key]
}

func (v fileVector) one(key string) string {
	v.t.Helper()
	if l := v.all(key); len(l) == 1 {
		return l[0]
	}
	v.t.Fatalf("vector has several %q", key)
	return ""
}

func (v fileVector) hex(key string) []byte {
	v.t.Helper()
	return unhex(v.t, v.one(key))
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (v fileVector) base64(key string) []byte {
	v.t.Helper()
	b, err := base64.StdEncoding.DecodeString(v.one(key))
	if err != nil {
		v.t.Fatal(err)
	}
	return b
}

func (v fileVector) number(key string) uint64 {
	v.t.Helper()
	n, err := strconv.ParseUint(v.one(key), 10, 64)
	if err != nil {
		v.t.Fatal(err)
	}
	return n
}

// testSeed is 32 bytes that depend on the label alone.
func testSeed(label string) Key { return kdfKey([]byte("postern tests"), nil, label) }

// refused fails unless err is there and says want.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v: expected one that says %q", err, want)
	}
}
