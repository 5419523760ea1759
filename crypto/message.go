package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

// Kind is what a message is.
type Kind byte

// The kinds. FORMAT.md fixes for each which frames come in which order.
const (
	KindReport   Kind = 1 // fields of a source's first form
	KindFollowUp Kind = 2 // fields of a later form
	KindFile     Kind = 3 // one file of a report or follow-up, bound to it by the form id
	KindReply    Kind = 4 // reviewer to source and fellow readers
	KindEvent    Kind = 5 // between reviewers only
	KindCover    Kind = 6 // nothing: dropped silently
	KindChange   Kind = 7 // the source changed their code; no words
)

// Limits of a container, in bytes. They hold on forms and desks alike, and
// make the fields of any form fit the smallest class.
const (
	MaxText      = 32 << 10 // text frame, UTF-8
	MaxAnswers   = 10 << 10 // all answers frames of one message together, and its consents
	maxEvent     = 16 << 10 // event frame
	maxNotice    = 1 << 10  // notice frame
	MaxFileName  = 255
	MaxMediaType = 127
	MaxReaders   = 31 // bodies in frame 3
	MaxBodyID    = 16 // bytes of [a-z0-9-]
)

// maxReplyFiles bounds the files of one reply. A reader keeps name and hash
// of each, so this bounds its memory too.
const maxReplyFiles = 256

// Day is a UTC day: days since 1970-01-01. The finest time in any message.
type Day uint32

// DayOf is the UTC day of t.
func DayOf(t time.Time) Day { return Day(t.UTC().Unix() / 86400) } //nolint:gosec // not before 1970

// Time is midnight UTC of the day.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// FormID names one form a source was given; its messages belong together.
type FormID [16]byte

// Meta is frame 1.
type Meta struct {
	Kind    Kind
	Case    CaseID // of a source's message CaseOf its key
	Counter uint64 // the writer's own, rising
	Form    FormID
	DirHash [32]byte // H(text) of the directory the writer used
	Day     Day
}

const metaSize = 1 + 16 + 8 + 16 + 32 + 4

// LifeID names one life of a code's mailbox, from its first message to "erase
// everything". Every message of a source carries it: so a reader knows which
// choices of bodies belong together.
type LifeID [16]byte

// Reader is a body as the source chose it: an id alone is not an identity. It
// comes to mean others when a body changes its kind or all of its people, and
// the directory then raises [Body].Since (SECURITY.md S-27).
type Reader struct {
	ID    string
	Since uint64
}

// Receipt says that the source has opened a reply: see [ReceiptOf].
type Receipt [16]byte

// MaxReceipts is how many receipts every message with words carries; random
// ones fill up, so that their number says nothing.
const MaxReceipts = 32

// ReceiptOf is the receipt for the reply whose container has this SHA-256.
func ReceiptOf(id [32]byte) Receipt { return Receipt(id[:16]) }

// Message is everything in a container but the bytes of its files.
type Message struct {
	Meta    Meta
	Readers []Reader          // in the order shown, frame 3; different ids
	Source  ed25519.PublicKey // V_src, frame 4; kinds of a source
	Life    LifeID            // frame 4
	Text    string            // frame 10; absent when empty
	Answers [][]byte          // frames 40, opaque here: intake/form encodes them
	ReplyTo *Recipient        // frame 20, R: the source's one reply recipient; kinds 1, 2 and 7
	Drop    *Drop             // frame 30: where a reply is handed in; every reply has it
	Event   []byte            // frame 41
	Signer  ed25519.PublicKey // frame 98; set by the reader once 99 was verified

	// Receipts are in frame 22, kinds 1, 2 and 7: of the replies that the source
	// has opened, newest first. The writer fills up to MaxReceipts with random
	// ones; a reader gets MaxReceipts of them and knows its own.
	Receipts []Receipt

	Consents []Consent   // frames 43, each about another body; where answers may stand
	Notice   []byte      // frame 42 of a reply, opaque here: intake/form encodes it
	Succeeds *Succession // frame 5, where ReplyTo stands; verified by writer and reader
}

// File is a file's begin frame and, once read, its end frame.
type File struct {
	Name      string // as the sender's machine called it; never a path, never trusted
	MediaType string
	Size      int64    // bytes; from the end frame
	SHA256    [32]byte // from the end frame
}

// Frame types of a container.
const (
	frameMeta      = 1
	frameReaders   = 3
	frameSource    = 4
	frameCover     = 7
	frameText      = 10
	frameFileBegin = 11
	frameFileData  = 12
	frameFileEnd   = 13
	frameReplyTo   = 20
	frameReceipts  = 22
	frameDrop      = 30
	frameAnswer    = 40
	frameEvent     = 41
	frameNotice    = 42
	frameConsent   = 43
	frameSigner    = 98
	frameSignature = 99
)

// grammar is what one kind may and must hold. Frames come in the order of the fields.
type grammar struct {
	context            string // of the signature; "" for unsigned cover
	source             bool   // frame 4, and signed by that key
	text, answers      bool   // allowed
	replyTo            bool   // frames 20 and 22 are required, 5 is allowed
	drop, event, cover bool   // required
	minFiles, maxFiles int
}

const maxAnswerFrames = 128 // with these, maximal fields still fit the smallest class

var grammars = map[Kind]grammar{
	KindReport:   {context: sourceContext, source: true, text: true, answers: true, replyTo: true},
	KindFollowUp: {context: sourceContext, source: true, text: true, answers: true, replyTo: true},
	KindFile:     {context: sourceContext, source: true, minFiles: 1, maxFiles: 1},
	KindChange:   {context: sourceContext, source: true, replyTo: true},
	KindReply:    {context: "postern/v1 reply\x00", text: true, drop: true, maxFiles: maxReplyFiles},
	KindEvent:    {context: "postern/v1 event\x00", event: true},
	KindCover:    {cover: true},
}

const sourceContext = "postern/v1 source message\x00"

var containerMagic = []byte("PST1")

// check says what in the head of m its kind does not allow.
func (m *Message) check() (grammar, error) {
	g, ok := grammars[m.Meta.Kind]
	if !ok {
		return g, malformed("kind %d", m.Meta.Kind)
	}
	answers := 0
	for _, a := range m.Answers {
		answers += len(a)
	}
	for _, c := range []struct {
		bad bool
		say string
	}{
		{g.cover == (len(m.Readers) > 0), "readers missing, or on a cover"},
		{len(m.Readers) > MaxReaders, "too many readers"},
		{g.source != (len(m.Source) > 0), "source key missing or out of place"},
		{g.source && !validSigning(m.Source), "a source key for which anybody can sign"},
		{g.source != (m.Life != LifeID{}), "life missing or out of place"},
		{g.source && m.Meta.Case != CaseOf(m.Source), "another case than the source key's"},
		{!g.replyTo && m.Succeeds != nil, "succession out of place"},
		{m.Succeeds != nil && !m.Succeeds.valid(m.Source), "a succession that the earlier key did not sign"},
		{!g.text && m.Text != "", "text out of place"},
		{len(m.Text) > MaxText, "text too long"},
		{!validText(m.Text), "text is not UTF-8 without NUL"},
		{!g.answers && len(m.Answers) > 0, "answers out of place"},
		{answers > MaxAnswers || len(m.Answers) > maxAnswerFrames, "answers too long"},
		{!g.answers && len(m.Consents) > 0, "consents out of place"},
		{len(m.Consents) > maxConsents, "too many consents"},
		{g.replyTo != (m.ReplyTo != nil), "reply recipient missing or out of place"},
		{!g.replyTo && len(m.Receipts) > 0, "receipts out of place"},
		{len(m.Receipts) > MaxReceipts, "too many receipts"},
		{g.drop != (m.Drop != nil), "drop missing or out of place"},
		{g.event != (len(m.Event) > 0), "event missing or out of place"},
		{len(m.Event) > maxEvent, "event too long"},
		{!g.drop && len(m.Notice) > 0, "frame 42 of a reply"},
		{len(m.Notice) > maxNotice, "notice too long"},
	} {
		if c.bad {
			return g, malformed("%s in a message of kind %d", c.say, m.Meta.Kind)
		}
	}
	for i, r := range m.Readers {
		if !ValidID(r.ID) || r.Since == 0 || slices.ContainsFunc(m.Readers[:i], func(o Reader) bool { return o.ID == r.ID }) {
			return g, malformed("reader %q since %d", r.ID, r.Since)
		}
	}
	return g, m.checkConsents()
}

func validText(s string) bool { return utf8.ValidString(s) && !bytes.ContainsRune([]byte(s), 0) }

// ValidID is the rule for body and holder ids: 1 to MaxBodyID of [a-z0-9-],
// no hyphen first or last.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > MaxBodyID || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// signedFrames is a frameWriter and the two hashes over what passes it.
// Writer and reader feed it alike.
type signedFrames struct {
	signed  hash.Hash // context ‖ every frame before 98 but the data of files
	content hash.Hash // content frames only: what makes a repeat
}

func newSignedFrames() *signedFrames {
	return &signedFrames{signed: sha256.New(), content: sha256.New()}
}

func (s *signedFrames) add(typ byte, data []byte) {
	if typ == frameFileData {
		return // frame 13 covers it
	}
	var h [frameHead]byte
	h[0] = typ
	binary.BigEndian.PutUint32(h[1:], uint32(len(data))) //nolint:gosec // at most maxFrame
	s.signed.Write(h[:])
	s.signed.Write(data)
	switch typ {
	case frameText, frameAnswer, frameFileBegin, frameFileEnd, frameEvent, frameNotice, frameConsent:
		s.content.Write(h[:])
		s.content.Write(data)
	}
}

// digest is what is signed: context ‖ H(frames). The hash in place of the
// frames themselves lets both sides stream.
func (s *signedFrames) digest(context string, signer ed25519.PublicKey) []byte {
	b := append([]byte(context), s.signed.Sum(nil)...)
	return append(b, signer...)
}

// MessageWriter writes one container.
type MessageWriter struct {
	f     frameWriter
	h     *signedFrames
	g     grammar
	key   ed25519.PrivateKey
	files int
	file  *fileWriter
	done  bool
}

// NewMessageWriter checks m against the grammar of its kind and writes every
// frame before files. dst is the writer that [Seal] returned; the caller
// closes it after Close. key signs; for a source's kinds m.Source must be its
// public half. Covers are unsigned: key nil.
func NewMessageWriter(dst io.Writer, m *Message, key ed25519.PrivateKey) (*MessageWriter, error) {
	g, err := m.check()
	if err != nil {
		return nil, err
	}
	switch {
	case g.cover != (len(key) == 0):
		return nil, errors.New("writing a message: a signing key is missing, or given for a cover")
	case g.source && !m.Source.Equal(key.Public()):
		return nil, errors.New("writing a message: the source key is not the signing key's")
	}
	w := &MessageWriter{f: frameWriter{w: dst}, h: newSignedFrames(), g: g, key: key}
	w.f.write(containerMagic)
	w.put(frameMeta, m.Meta.encode())
	if g.cover {
		w.put(frameCover, nil)
		return w, w.f.err
	}
	w.put(frameReaders, encodeReaders(m.Readers))
	if g.source {
		w.put(frameSource, append(m.Source[:len(m.Source):len(m.Source)], m.Life[:]...))
	}
	if m.Succeeds != nil {
		w.put(frameSuccession, m.Succeeds.Encode())
	}
	if m.Text != "" {
		w.put(frameText, []byte(m.Text))
	}
	for _, a := range m.Answers {
		w.put(frameAnswer, a)
	}
	for _, c := range m.Consents {
		w.put(frameConsent, c.Encode())
	}
	if m.ReplyTo != nil {
		w.put(frameReplyTo, m.ReplyTo.Bytes())
		w.put(frameReceipts, encodeReceipts(m.Receipts))
	}
	if len(m.Notice) > 0 {
		w.put(frameNotice, m.Notice)
	}
	if m.Drop != nil {
		w.put(frameDrop, m.Drop[:])
	}
	if len(m.Event) > 0 {
		w.put(frameEvent, m.Event)
	}
	return w, w.f.err
}

func (w *MessageWriter) put(typ byte, data []byte) {
	w.f.frame(typ, data)
	w.h.add(typ, data)
}

// fileWriter cuts a file into frames of maxFrame, all full but the last.
type fileWriter struct {
	w    *MessageWriter
	buf  []byte
	sum  hash.Hash
	size int64
}

func (f *fileWriter) Write(p []byte) (int, error) {
	if f.w.file != f {
		return 0, errors.New("writing a file after its end")
	}
	n := len(p)
	f.sum.Write(p)
	f.size += int64(n)
	for len(p) > 0 {
		k := min(maxFrame-len(f.buf), len(p))
		f.buf = append(f.buf, p[:k]...)
		p = p[k:]
		if len(f.buf) == maxFrame {
			f.w.put(frameFileData, f.buf)
			f.buf = f.buf[:0]
		}
	}
	return n, f.w.f.err
}

// File begins a file; what is written to the result until the next File or
// Close are its bytes.
func (w *MessageWriter) File(name, mediaType string) (io.Writer, error) {
	w.endFile()
	switch w.files++; {
	case w.done:
		return nil, errors.New("writing a message: a file after its end")
	case w.files > w.g.maxFiles:
		return nil, malformed("a file too many")
	}
	b, err := encodeFileBegin(name, mediaType)
	if err != nil {
		return nil, err
	}
	w.put(frameFileBegin, b)
	w.file = &fileWriter{w: w, buf: make([]byte, 0, maxFrame), sum: sha256.New()}
	return w.file, w.f.err
}

func (w *MessageWriter) endFile() {
	f := w.file
	if f == nil {
		return
	}
	if len(f.buf) > 0 {
		w.put(frameFileData, f.buf)
	}
	w.put(frameFileEnd, f.sum.Sum(binary.BigEndian.AppendUint64(nil, uint64(f.size)))) //nolint:gosec // not negative
	clear(f.buf)
	w.file = nil
}

// Close ends the last file, signs, writes the end frame and pads to the next class.
func (w *MessageWriter) Close() error {
	w.endFile()
	if w.done || w.files < w.g.minFiles {
		return errors.New("writing a message: closed twice, or without its file")
	}
	w.done = true
	if w.g.context != "" {
		signer := w.key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // always that type
		w.f.frame(frameSigner, signer)
		w.f.frame(frameSignature, ed25519.Sign(w.key, w.h.digest(w.g.context, signer)))
	}
	w.f.end()
	pad := make([]byte, 32<<10)
	for left := ClassSize(ClassOf(w.f.n)) - w.f.n; left > 0 && w.f.err == nil; {
		k := min(left, int64(len(pad)))
		w.f.write(pad[:k])
		left -= k
	}
	return w.f.err
}

// Read is one message read and verified.
type Read struct {
	Message
	Files   []File
	Content [32]byte // hash of the content frames only: a repeat has the same
}

// ReadMessage reads one container to its last byte, refuses any deviation
// from the grammar, and verifies the signature under the key the message
// names (for a source's kinds: V_src). Whether that key may sign is the
// caller's to decide. onFile is called for each file as it streams by, before
// the signature is known: what it keeps is to be thrown away on error. The
// File it gets has name and type only. nil drains.
func ReadMessage(src io.Reader, onFile func(f File, r io.Reader) error) (*Read, error) {
	p := &messageReader{f: frameReader{r: src}, h: newSignedFrames(), onFile: onFile, out: new(Read)}
	if err := p.read(); err != nil {
		return nil, fmt.Errorf("reading a message: %w", err)
	}
	return p.out, nil
}

// ReadHead reads a container up to the frames before its files: enough to list
// a message. Nothing of it is verified, and Signer is not set.
func ReadHead(src io.Reader) (*Message, error) {
	p := &messageReader{f: frameReader{r: src}, h: newSignedFrames(), out: new(Read)}
	if _, err := p.start(); err != nil {
		return nil, fmt.Errorf("reading a message's head: %w", err)
	}
	return &p.out.Message, nil
}

type messageReader struct {
	f      frameReader
	h      *signedFrames
	onFile func(File, io.Reader) error
	out    *Read
	typ    byte   // the frame looked at
	data   []byte // valid until next
}

// next moves to the next frame; every frame before 98 is hashed on the way.
func (p *messageReader) next() (err error) {
	p.typ, p.data, err = p.f.next()
	if err == nil && p.typ != frameSigner && p.typ != frameSignature && p.typ != frameEnd {
		p.h.add(p.typ, p.data)
	}
	return err
}

// start reads magic, meta and head, and checks them.
func (p *messageReader) start() (g grammar, err error) {
	magic := make([]byte, len(containerMagic))
	if err := p.f.full(magic); err != nil {
		return g, err
	}
	if !bytes.Equal(magic, containerMagic) {
		return g, malformed("not a container")
	}
	if err := p.next(); err != nil {
		return g, err
	}
	if p.typ != frameMeta || len(p.data) != metaSize {
		return g, malformed("no meta frame")
	}
	m := &p.out.Message
	m.Meta = decodeMeta(p.data)
	if err := p.next(); err != nil {
		return g, err
	}
	if err := p.head(m); err != nil {
		return g, err
	}
	return m.check()
}

func (p *messageReader) read() error {
	g, err := p.start()
	if err != nil {
		return err
	}
	for p.typ == frameFileBegin {
		if len(p.out.Files) >= g.maxFiles {
			return malformed("a file too many")
		}
		if err := p.file(); err != nil {
			return err
		}
	}
	if len(p.out.Files) < g.minFiles {
		return malformed("a file is missing")
	}
	if g.context != "" {
		if err := p.signature(g); err != nil {
			return err
		}
	}
	if p.typ != frameEnd {
		return malformed("frame %d out of place", p.typ)
	}
	p.h.content.Sum(p.out.Content[:0])
	return p.padding()
}

// head reads the frames between meta and files, in their order; check then
// says which of them the kind allows.
func (p *messageReader) head(m *Message) error {
	steps := []struct {
		typ  byte
		most int
		take func([]byte) error
	}{
		{frameCover, 1, func(b []byte) error {
			if m.Meta.Kind != KindCover || len(b) != 0 {
				return malformed("cover frame out of place")
			}
			return nil
		}},
		{frameReaders, 1, func(b []byte) (err error) { m.Readers, err = decodeReaders(b); return err }},
		{frameSource, 1, func(b []byte) error {
			if len(b) != ed25519.PublicKeySize+len(LifeID{}) {
				return malformed("source frame of %d bytes", len(b))
			}
			m.Source, m.Life = bytes.Clone(b[:ed25519.PublicKeySize]), LifeID(b[ed25519.PublicKeySize:])
			return nil
		}},
		{frameSuccession, 1, func(b []byte) (err error) { m.Succeeds, err = DecodeSuccession(b); return err }},
		{frameText, 1, func(b []byte) error {
			if len(b) == 0 {
				return malformed("empty text frame")
			}
			m.Text = string(b)
			return nil
		}},
		{frameAnswer, maxAnswerFrames, func(b []byte) error { m.Answers = append(m.Answers, bytes.Clone(b)); return nil }},
		{frameConsent, maxConsents, func(b []byte) error {
			c, err := DecodeConsent(b)
			m.Consents = append(m.Consents, c)
			return err
		}},
		{frameReplyTo, 1, func(b []byte) (err error) {
			if m.ReplyTo, err = recipientFromBytes(b); err != nil {
				return malformed("reply recipient: %v", err)
			}
			return nil
		}},
		{frameReceipts, 1, func(b []byte) (err error) { m.Receipts, err = decodeReceipts(b); return err }},
		{frameNotice, 1, func(b []byte) error {
			if len(b) == 0 {
				return malformed("empty notice frame")
			}
			m.Notice = bytes.Clone(b)
			return nil
		}},
		{frameDrop, 1, func(b []byte) error {
			if len(b) != len(Drop{}) {
				return malformed("drop of %d bytes", len(b))
			}
			d := Drop(b)
			m.Drop = &d
			return nil
		}},
		{frameEvent, 1, func(b []byte) error {
			if len(b) == 0 {
				return malformed("empty event frame")
			}
			m.Event = bytes.Clone(b)
			return nil
		}},
	}
	cover := false
	for _, s := range steps {
		for n := 0; p.typ == s.typ && n < s.most; n++ {
			cover = cover || s.typ == frameCover
			if err := s.take(p.data); err != nil {
				return err
			}
			if err := p.next(); err != nil {
				return err
			}
		}
	}
	switch {
	case p.typ != frameFileBegin && p.typ != frameSigner && p.typ != frameEnd:
		return malformed("frame %d of %d bytes out of place", p.typ, len(p.data))
	case cover != (m.Meta.Kind == KindCover):
		return malformed("cover frame missing")
	case m.ReplyTo != nil && m.Receipts == nil:
		return malformed("receipts missing")
	}
	return nil
}

// file reads 11 12* 13; the frame looked at is 11.
func (p *messageReader) file() error {
	f, err := decodeFileBegin(p.data)
	if err != nil {
		return err
	}
	d := &fileReader{p: p, sum: sha256.New()}
	if p.onFile != nil {
		if err := p.onFile(f, d); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, d); err != nil {
		return err
	}
	if p.typ != frameFileEnd || len(p.data) != 8+sha256.Size {
		return malformed("file without an end")
	}
	f.Size = d.size
	d.sum.Sum(f.SHA256[:0])
	if binary.BigEndian.Uint64(p.data) != uint64(d.size) || !bytes.Equal(p.data[8:], f.SHA256[:]) { //nolint:gosec // not negative
		return malformed("a file's size or hash differs")
	}
	p.out.Files = append(p.out.Files, f)
	return p.next()
}

// fileReader yields the data frames of one file.
type fileReader struct {
	p     *messageReader
	rest  []byte
	sum   hash.Hash
	size  int64
	short bool // a frame was not full: it must be the last
	end   bool
	err   error
}

func (d *fileReader) Read(b []byte) (int, error) {
	for len(d.rest) == 0 {
		switch {
		case d.err != nil:
			return 0, d.err
		case d.end:
			return 0, io.EOF
		}
		if d.err = d.p.next(); d.err != nil {
			continue
		}
		if d.p.typ != frameFileData {
			d.end = true
			continue
		}
		if d.short || len(d.p.data) == 0 {
			d.err = malformed("file data after a short frame")
			continue
		}
		d.short = len(d.p.data) < maxFrame
		d.sum.Write(d.p.data)
		d.size += int64(len(d.p.data))
		d.rest = d.p.data
	}
	n := copy(b, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func (p *messageReader) signature(g grammar) error {
	if p.typ != frameSigner || len(p.data) != ed25519.PublicKeySize {
		return malformed("frame %d of %d bytes where the signer belongs", p.typ, len(p.data))
	}
	signer := ed25519.PublicKey(bytes.Clone(p.data))
	if g.source && !signer.Equal(p.out.Source) {
		return malformed("signed by another key than the source's")
	}
	if err := p.next(); err != nil {
		return err
	}
	if p.typ != frameSignature || len(p.data) != ed25519.SignatureSize {
		return malformed("frame %d of %d bytes where the signature belongs", p.typ, len(p.data))
	}
	if !Verify(signer, p.h.digest(g.context, signer), p.data) {
		return malformed("the signature is wrong")
	}
	p.out.Signer = signer
	return p.next()
}

// padding reads zeros up to the class and then the end of the stream.
func (p *messageReader) padding() error {
	left := ClassSize(ClassOf(p.f.n)) - p.f.n
	buf, zero := make([]byte, 32<<10), make([]byte, 32<<10)
	for left > 0 {
		b := buf[:min(left, int64(len(buf)))]
		if err := p.f.full(b); err != nil {
			return err
		}
		if !bytes.Equal(b, zero[:len(b)]) {
			return malformed("padding is not zero")
		}
		left -= int64(len(b))
	}
	switch n, err := io.ReadFull(p.f.r, buf[:1]); {
	case n > 0:
		return malformed("bytes after the end")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

func (m *Meta) encode() []byte {
	b := append(make([]byte, 0, metaSize), byte(m.Kind))
	b = append(b, m.Case[:]...)
	b = binary.BigEndian.AppendUint64(b, m.Counter)
	b = append(b, m.Form[:]...)
	b = append(b, m.DirHash[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(m.Day))
}

func decodeMeta(b []byte) (m Meta) {
	m.Kind = Kind(b[0])
	b = b[1:]
	b = b[copy(m.Case[:], b):]
	m.Counter = binary.BigEndian.Uint64(b)
	b = b[8:]
	b = b[copy(m.Form[:], b):]
	b = b[copy(m.DirHash[:], b):]
	m.Day = Day(binary.BigEndian.Uint32(b))
	return m
}

// readers frame: count (1) ‖ per body length (1) ‖ id ‖ be64(since).
func encodeReaders(list []Reader) []byte {
	b := []byte{byte(len(list))} //nolint:gosec // at most MaxReaders
	for _, r := range list {
		b = append(append(b, byte(len(r.ID))), r.ID...) //nolint:gosec // at most MaxBodyID
		b = binary.BigEndian.AppendUint64(b, r.Since)
	}
	return b
}

func decodeReaders(b []byte) (list []Reader, err error) {
	if len(b) == 0 || b[0] == 0 { // absent and empty would be one message in two forms
		return nil, malformed("readers frame without readers")
	}
	n := int(b[0])
	b = b[1:]
	for range n {
		if len(b) == 0 || len(b) < 1+int(b[0])+8 {
			return nil, malformed("readers frame is cut")
		}
		n := 1 + int(b[0])
		list = append(list, Reader{ID: string(b[1:n]), Since: binary.BigEndian.Uint64(b[n:])})
		b = b[n+8:]
	}
	if len(b) > 0 {
		return nil, malformed("readers frame goes on after its end")
	}
	return list, nil
}

// encodeReceipts fills up with random ones.
func encodeReceipts(list []Receipt) []byte {
	b := make([]byte, 0, MaxReceipts*len(Receipt{}))
	for _, r := range list {
		b = append(b, r[:]...)
	}
	_, _ = rand.Read(b[len(b):cap(b)])
	return b[:cap(b)]
}

func decodeReceipts(b []byte) (list []Receipt, err error) {
	if len(b) != MaxReceipts*len(Receipt{}) {
		return nil, malformed("receipts of %d bytes", len(b))
	}
	for r := range slices.Chunk(b, len(Receipt{})) {
		list = append(list, Receipt(r))
	}
	return list, nil
}

// file begin frame: name length (1) ‖ name ‖ media type.
func encodeFileBegin(name, mediaType string) ([]byte, error) {
	if len(name) == 0 || len(name) > MaxFileName || len(mediaType) > MaxMediaType ||
		!validText(name) || !validText(mediaType) {
		return nil, malformed("a file's name or type is too long or not UTF-8")
	}
	return append(append([]byte{byte(len(name))}, name...), mediaType...), nil //nolint:gosec // checked above
}

func decodeFileBegin(b []byte) (f File, err error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return f, malformed("file name is cut")
	}
	n := 1 + int(b[0])
	f.Name, f.MediaType = string(b[1:n]), string(b[n:])
	_, err = encodeFileBegin(f.Name, f.MediaType)
	return f, err
}
