package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

// invalid is a container that must be refused, and what the refusal says.
type invalid struct {
	name string // one word
	data []byte
	says string
}

// invalidContainers deviates from the grammar in one point each. All but the
// ones about signatures carry a true signature.
func invalidContainers(t testing.TB) (list []invalid) {
	frames := func(kind Kind) []msgFrame {
		return unsigned(msgFrames(writeMessage(t, testMessage(kind), testFiles(kind)...)))
	}
	sign := func(kind Kind, f []msgFrame) []msgFrame {
		if kind == KindCover {
			return f
		}
		return signRaw(grammars[kind].context, testKey, f)
	}
	add := func(name, says string, data []byte) { list = append(list, invalid{name, data, says}) }
	// frame changes the frames of a kind and signs what comes out.
	frame := func(name string, kind Kind, says string, change func(f []msgFrame) []msgFrame) {
		add(name, says, rawContainer(sign(kind, change(frames(kind)))))
	}
	at := func(f []msgFrame, typ byte) int {
		i := slices.IndexFunc(f, func(x msgFrame) bool { return x.typ == typ })
		if i < 0 {
			t.Fatalf("no frame %d", typ)
		}
		return i
	}
	drop := func(typ byte) func(f []msgFrame) []msgFrame {
		return func(f []msgFrame) []msgFrame { i := at(f, typ); return slices.Delete(f, i, i+1) }
	}
	twice := func(typ byte) func(f []msgFrame) []msgFrame {
		return func(f []msgFrame) []msgFrame { i := at(f, typ); return slices.Insert(f, i, f[i]) }
	}
	set := func(typ byte, edit func(b []byte) []byte) func(f []msgFrame) []msgFrame {
		return func(f []msgFrame) []msgFrame { i := at(f, typ); f[i].data = edit(f[i].data); return f }
	}
	to := func(b ...byte) func([]byte) []byte { return func([]byte) []byte { return b } }
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	insert := func(behind, typ byte, data ...byte) func(f []msgFrame) []msgFrame {
		return func(f []msgFrame) []msgFrame { return slices.Insert(f, at(f, behind)+1, msgFrame{typ, data}) }
	}
	good := func(kind Kind) []byte { return rawContainer(sign(kind, frames(kind))) }
	used := func(b []byte) []byte { return append(bytes.TrimRight(b, "\x00"), 0, 0, 0, 0, 0) }

	// The file as a whole.
	add("empty", "unexpected EOF", nil)
	add("magic", "not a container", append([]byte("PST2"), good(KindReport)[4:]...))
	add("magic-only", "unexpected EOF", []byte("PST1"))
	add("no-padding", "unexpected EOF", used(good(KindReport)))
	add("cut-padding", "unexpected EOF", cut(good(KindReport)))
	add("byte-behind", "bytes after the end", append(good(KindReport), 0))
	add("next-class", "bytes after the end", append(good(KindReport), make([]byte, 64<<10)...))
	add("padding-first-byte", "padding is not zero", func() []byte { b := good(KindReport); b[len(used(b))] = 1; return b }())
	add("padding-last-byte", "padding is not zero", func() []byte { b := good(KindReport); b[len(b)-1] = 1; return b }())
	add("frame-too-long", "at most 65536", padded([]byte{'P', 'S', 'T', '1', 1, 0, 1, 0, 1}))
	add("end-with-data", "end frame of 1 bytes", func() []byte { b := used(good(KindReport)); b[len(b)-1] = 1; return padded(b) }())
	add("no-end", "out of place", rawContainer(append(sign(KindReport, frames(KindReport)), msgFrame{99, make([]byte, 64)})))
	add("end-at-once", "no meta frame", rawContainer(nil))

	// Meta.
	frame("no-meta", KindReport, "no meta frame", drop(1))
	frame("meta-twice", KindReport, "frame 1 of", twice(1))
	frame("meta-short", KindReport, "no meta frame", set(1, cut))
	frame("meta-long", KindReport, "no meta frame", set(1, func(b []byte) []byte { return append(b, 0) }))
	frame("kind-0", KindReport, "kind 0", set(1, func(b []byte) []byte { b[0] = 0; return b }))
	frame("kind-8", KindReport, "kind 8", set(1, func(b []byte) []byte { b[0] = 8; return b }))
	frame("report-as-event", KindReport, "out of place", set(1, func(b []byte) []byte { b[0] = 5; return b }))

	// Readers.
	frame("no-readers", KindReport, "readers missing", drop(3))
	frame("readers-twice", KindReport, "frame 3 of", twice(3))
	reader := func(id string, since byte) []byte {
		return append(append([]byte{byte(len(id))}, id...), 0, 0, 0, 0, 0, 0, 0, since)
	}
	readers := func(list ...[]byte) []byte { return append([]byte{byte(len(list))}, slices.Concat(list...)...) }
	frame("readers-empty", KindReport, "without readers", set(3, to(0)))
	frame("readers-nothing", KindReport, "without readers", set(3, to()))
	frame("readers-cut", KindReport, "readers frame is cut", set(3, to(append([]byte{2}, reader("a", 1)...)...)))
	frame("readers-cut-id", KindReport, "readers frame is cut", set(3, to(1, 2, 'a')))
	frame("readers-cut-since", KindReport, "readers frame is cut", set(3, to(cut(readers(reader("a", 1)))...)))
	frame("readers-go-on", KindReport, "goes on", set(3, to(append(readers(reader("a", 1)), 0)...)))
	frame("readers-id-twice", KindReport, "reader", set(3, to(readers(reader("a", 1), reader("a", 1))...)))
	frame("readers-id-since-two-versions", KindReport, "reader", set(3, to(readers(reader("a", 1), reader("a", 2))...)))
	frame("readers-id-path", KindReport, "reader", set(3, to(readers(reader("..", 1))...)))
	frame("readers-id-empty", KindReport, "reader", set(3, to(readers(reader("", 1))...)))
	frame("readers-since-never", KindReport, "reader", set(3, to(readers(reader("a", 0))...)))
	frame("readers-too-many", KindReport, "too many readers", set(3, func([]byte) []byte {
		var list [][]byte
		for i := range 32 {
			list = append(list, reader(fmt.Sprint("a", i), 1))
		}
		return readers(list...)
	}))
	frame("cover-with-readers", KindCover, "readers missing, or on a cover", insert(7, 3, readers(reader("a", 1))...))
	frame("cover-with-empty-readers", KindCover, "without readers", insert(7, 3, 0))

	// The other frames of the head.
	frame("no-source", KindReport, "source key missing", drop(4))
	frame("source-short", KindReport, "source frame of 47 bytes", set(4, cut))
	frame("source-without-life", KindReport, "source frame of 32 bytes", set(4, func(b []byte) []byte { return b[:32] }))
	frame("life-zero", KindReport, "life missing", set(4, func(b []byte) []byte { clear(b[32:]); return b }))
	frame("source-in-reply", KindReply, "source key missing or out of place", insert(3, 4, slices.Concat(testPub, make([]byte, 16))...))
	for _, kind := range []Kind{KindReport, KindFollowUp, KindFile, KindChange} { // each truly signed, by the key it names
		frame("case-of-another-"+kindNames[kind], kind, "another case than the source key's", set(1, func(b []byte) []byte { b[1] ^= 1; return b }))
	}
	frame("text-empty", KindReport, "empty text", set(10, to()))
	frame("text-twice", KindReport, "frame 10 of", twice(10))
	frame("text-nul", KindReport, "NUL", set(10, to('a', 0)))
	frame("text-not-utf8", KindReport, "UTF-8", set(10, to(0xc0, 0x80)))
	frame("text-too-long", KindReport, "text too long", set(10, func([]byte) []byte { return bytes.Repeat([]byte{'a'}, MaxText+1) }))
	frame("text-in-event", KindEvent, "text out of place", insert(3, 10, 'a'))
	frame("text-after-answers", KindReport, "frame 10 of", func(f []msgFrame) []msgFrame {
		i := at(f, 10)
		f[i], f[i+1] = f[i+1], f[i]
		return f
	})
	frame("answers-in-reply", KindReply, "answers out of place", insert(10, 40, 1))
	frame("answers-too-long", KindReport, "answers too long", set(40, func([]byte) []byte { return make([]byte, MaxAnswers) }))
	frame("answers-too-many", KindReport, "frame 40 of", func(f []msgFrame) []msgFrame {
		for range maxAnswerFrames {
			f = slices.Insert(f, at(f, 40), msgFrame{40, nil})
		}
		return f
	})
	for _, kind := range []Kind{KindReport, KindFollowUp, KindChange} {
		frame("no-reply-recipient-"+kindNames[kind], kind, "reply recipient missing", drop(20))
		frame("no-receipts-"+kindNames[kind], kind, "receipts missing", drop(22))
	}
	frame("reply-recipient-short", KindChange, "1215 bytes", set(20, cut))
	frame("reply-recipient-no-key", KindChange, "no valid hybrid", set(20, func([]byte) []byte { return bytes.Repeat([]byte{0xff}, recipientSize) }))
	frame("reply-recipient-twice", KindChange, "frame 20 of", twice(20))
	frame("reply-recipient-in-file", KindFile, "receipts missing", insert(4, 20, testRecipient("reply to").Bytes()...))
	frame("receipts-twice", KindChange, "frame 22 of", twice(22))
	frame("receipts-short", KindChange, "receipts of 511 bytes", set(22, cut))
	frame("receipts-31", KindChange, "receipts of 496 bytes", set(22, func(b []byte) []byte { return b[16:] }))
	frame("receipts-before-recipient", KindChange, "frame 20 of", func(f []msgFrame) []msgFrame {
		i := at(f, 22)
		f[i-1], f[i] = f[i], f[i-1]
		return f
	})
	frame("receipts-in-reply", KindReply, "receipts out of place", insert(10, 22, make([]byte, 512)...))
	frame("no-drop", KindReply, "drop missing or out of place", drop(30))
	frame("drop-short", KindReply, "drop of 15 bytes", set(30, cut))
	frame("drop-long", KindReply, "drop of 17 bytes", set(30, func(b []byte) []byte { return append(b, 0) }))
	frame("drop-twice", KindReply, "frame 30 of", twice(30))
	frame("drop-in-change", KindChange, "drop missing or out of place", func(f []msgFrame) []msgFrame { return append(f, msgFrame{30, make([]byte, 16)}) })
	frame("no-event", KindEvent, "event missing", drop(41))
	frame("event-empty", KindEvent, "empty event", set(41, to()))
	frame("event-twice", KindEvent, "frame 41 of", twice(41))
	frame("event-too-long", KindEvent, "event too long", set(41, func([]byte) []byte { return make([]byte, maxEvent+1) }))
	frame("no-cover", KindCover, "cover frame missing", drop(7))
	frame("cover-twice", KindCover, "out of place", twice(7))
	frame("cover-with-data", KindCover, "cover frame out of place", set(7, to(1)))
	frame("cover-in-report", KindReport, "cover frame out of place", insert(1, 7))
	frame("unknown-frame", KindReport, "frame 44 of", insert(10, 44, 1))
	frame("frame-255", KindReport, "frame 255 of", insert(4, 255))

	// Files.
	frame("file-missing", KindFile, "a file is missing", func(f []msgFrame) []msgFrame { return f[:at(f, 11)] })
	frame("file-second", KindFile, "a file too many", func(f []msgFrame) []msgFrame { return append(f, f[at(f, 11):]...) })
	frame("file-in-report", KindReport, "a file too many", insert(22, 11, 1, 'a'))
	frame("file-no-end", KindFile, "file without an end", drop(13))
	frame("file-no-begin", KindFile, "frame 12 of", drop(11))
	frame("file-end-short", KindFile, "file without an end", set(13, cut))
	frame("file-size", KindFile, "size or hash differs", set(13, func(b []byte) []byte { b[7]++; return b }))
	frame("file-hash", KindFile, "size or hash differs", set(13, func(b []byte) []byte { b[8]++; return b }))
	frame("file-data", KindFile, "size or hash differs", set(12, func(b []byte) []byte { b[0]++; return b }))
	frame("file-data-missing", KindFile, "size or hash differs", drop(12))
	frame("file-data-empty", KindFile, "file data after a short frame", insert(11, 12))
	frame("file-data-in-two-short-frames", KindFile, "file data after a short frame", func(f []msgFrame) []msgFrame {
		i := at(f, 12)
		whole := f[i].data
		f[i].data = whole[:3]
		return slices.Insert(f, i+1, msgFrame{12, whole[3:]})
	})
	frame("file-end-of-full-frame-empty", KindFile, "file data after a short frame", func(f []msgFrame) []msgFrame {
		i := at(f, 12)
		f[i].data = make([]byte, maxFrame)
		sum := sha256.Sum256(f[i].data)
		f[at(f, 13)].data = append(binary.BigEndian.AppendUint64(nil, maxFrame), sum[:]...)
		return slices.Insert(f, i+1, msgFrame{12, nil})
	})
	frame("file-name-empty", KindFile, "name or type", set(11, to(0, 'a')))
	frame("file-name-cut", KindFile, "file name is cut", set(11, to(2, 'a')))
	frame("file-name-nothing", KindFile, "file name is cut", set(11, to()))
	frame("file-name-nul", KindFile, "name or type", set(11, to(1, 0)))
	frame("file-name-not-utf8", KindFile, "name or type", set(11, to(1, 0xff)))
	frame("file-type-too-long", KindFile, "name or type", set(11, func([]byte) []byte { return append([]byte{1, 'a'}, bytes.Repeat([]byte{'a'}, 128)...) }))
	frame("text-after-file", KindReply, "frame 10 of", func(f []msgFrame) []msgFrame { return append(f, msgFrame{10, []byte("a")}) })

	// Signatures.
	event := frames(KindEvent)
	add("unsigned", "frame 0 of", rawContainer(frames(KindReport)))
	add("signer-only", "where the signature belongs", rawContainer(sign(KindReport, frames(KindReport))[:len(frames(KindReport))+1]))
	add("signature-only", "frame 99 of", rawContainer(slices.Delete(sign(KindReport, frames(KindReport)), len(frames(KindReport)), len(frames(KindReport))+1)))
	add("signed-twice", "out of place", rawContainer(append(sign(KindEvent, event), sign(KindEvent, event)[len(event):]...)))
	add("frame-after-signature", "out of place", rawContainer(append(sign(KindEvent, event), msgFrame{41, []byte("x")})))
	add("signer-short", "frame 98 of", rawContainer(append(event, msgFrame{98, testPub[1:]}, msgFrame{99, make([]byte, 64)})))
	add("signature-zero", "signature is wrong", rawContainer(append(event, msgFrame{98, testPub}, msgFrame{99, make([]byte, 64)})))
	add("event-signed-as-reply", "signature is wrong", rawContainer(signRaw(grammars[KindReply].context, testKey, event)))
	add("reply-signed-as-event", "signature is wrong", rawContainer(signRaw(grammars[KindEvent].context, testKey, frames(KindReply))))
	add("signed-without-context", "signature is wrong", rawContainer(signRaw("", testKey, event)))
	add("source-signed-by-another", "another key than the source's", rawContainer(signRaw(sourceContext, ed25519.NewKeyFromSeed(make([]byte, 32)), frames(KindReport))))
	add("signer-replaced", "signature is wrong", func() []byte {
		f := sign(KindEvent, event)
		f[len(event)].data = ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
		return rawContainer(f)
	}())
	add("head-changed-after-signing", "signature is wrong", func() []byte {
		f := sign(KindEvent, frames(KindEvent))
		f[0].data[1] ^= 1
		return rawContainer(f)
	}())
	add("cover-signed", "out of place", rawContainer(signRaw(grammars[KindEvent].context, testKey, frames(KindCover))))
	return list
}
