package crypto

import "io"

// BundleEntries is how many entries every bundle has, dummies included.
const BundleEntries = 8

// BundleID names a bundle; handing in the same one twice changes nothing.
type BundleID [16]byte

// BatchRef names a batch that a desk imported.
type BatchRef struct {
	Instance InstanceID
	Batch    uint64
}

// BundleEntry is a reply or event on its way to the server: an age file and
// the drop it is for (random for events and dummies).
type BundleEntry struct {
	Drop Drop
	Size int64
	Data io.Reader
}

// Bundle is the head of a bundle.
type Bundle struct {
	ID      BundleID
	Batches []BatchRef
}

// WriteBundle seals head and entries to the server's transfer recipient,
// filling up to BundleEntries with dummies: covers of the smallest class
// under p with random drops.
func WriteBundle(dst io.Writer, p Policy, transfer *Recipient, b Bundle, entries []BundleEntry) error {
	panic("unbuilt")
}

// ReadBundle opens a bundle. onHead may stop it with an error; onEntry is called for each entry. What
// onEntry stored is to be committed only when ReadBundle returned nil.
func ReadBundle(src io.Reader, id *Identity, onHead func(Bundle) error, onEntry func(i int, e BundleEntry) error) error {
	panic("unbuilt")
}
