package onion_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"postern/intake/onion"
)

// A pair that tor itself made (hs_ed25519_secret_key and hostname), thrown away since.
const (
	torKey = "c0e2135ff84651e9d5635aeeea8e2360c389c6492a06c76adb8fa66ab4b66873" +
		"437d1e250ca89f45297c8f0ab20bd76e96e223fc250ec46e7edffc5076856e6b"
	torAddress = "3dfk6pwd4ocxre4mpzliiheabobgm7tcm4e67ghvh6wibyu2mc4wosad.onion"
)

func TestAddress(t *testing.T) {
	b, err := hex.DecodeString(torKey)
	if err != nil {
		t.Fatal(err)
	}
	k, err := onion.ParseKey(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := onion.Address(k); got != torAddress {
		t.Errorf("address %s, tor says %s", got, torAddress)
	}
}

func TestParseKey(t *testing.T) {
	k := onion.NewKey()
	if k == onion.NewKey() {
		t.Error("the same key twice")
	}
	p, err := onion.ParseKey(k[:])
	if err != nil || p != k {
		t.Errorf("a key does not come back: %v", err)
	}
	for _, b := range [][]byte{nil, k[:63], append(k[:], 0), make([]byte, 64), bytes.Repeat([]byte{0xff}, 64)} {
		if _, err := onion.ParseKey(b); err == nil {
			t.Errorf("%d bytes are taken for a key", len(b))
		}
	}
}

// SECURITY.md S-12: whatever prints it, a key does not show.
func TestKeyDoesNotPrint(t *testing.T) {
	k := onion.NewKey()
	s := onion.Service{Name: "a", Key: k}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "service", s)
	for _, v := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
		fmt.Fprintf(&log, v+v+v, k, s, &s)
	}
	out := log.String()
	for _, form := range []string{hex.EncodeToString(k[:8]), strings.ToUpper(hex.EncodeToString(k[:8])), string(k[:8]), fmt.Sprint(k[0], k[1], k[2], k[3])} {
		if strings.Contains(out, strings.TrimSpace(form)) {
			t.Errorf("printed as %q in %s", form, out)
		}
	}
}

func TestClientKeyLine(t *testing.T) {
	if got := onion.ClientKeyLine([32]byte{0: 0xff, 31: 1}); got != "74AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ" {
		t.Error(got)
	}
}
