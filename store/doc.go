// Package store keeps sealed records and sealed cells in two bbolt files, and
// learns nothing of what they mean.
//
// records.db holds small records: in each bucket every record has one length, its
// key is an HMAC, its value is sealed (the logical key inside, so that a re-key can
// name it again). cells.db holds items: opaque byte strings, cut into
// equal cells, each sealed under a key from the item's blob seed. The seed
// stands in the item's record only: to erase an item is to delete its record,
// and the vacuum, which re-keys records.db into a new file, makes the seed's
// last copy unreadable. A forgotten cell stays as noise until it is reused.
//
// All changes go through [Store.Apply]: a list of declarative operations that
// happen together or not at all and are on the disk when it returns nil. That
// is the seam where a distributed engine can come later; package storetest
// holds the suite every engine must pass.
//
// After a failed fsync the store refuses everything ([ErrBroken]): what the
// kernel then holds is unknown, so the process must end, check and start anew.
package store
