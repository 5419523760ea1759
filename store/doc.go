// Package store keeps sealed records and sealed cells, and learns nothing of what
// they mean. What a database must do for it stands in package engine; the first
// engine is package engine/bolt, for one machine.
//
// Records are small: in each bucket every record has one length, its name in the
// file is an HMAC, its value is sealed (the logical key inside, so that a re-key
// can name it again). Items are opaque byte strings, cut into equal cells, each
// sealed under a key from the item's blob seed. The seed stands in the item's
// record only: to erase an item is to delete its record, and the vacuum, which
// re-keys all records and overwrites the key before, makes the seed's last copy
// unreadable. A forgotten cell stays as noise until it is used again, and free
// cells that were never used hold noise, too: a new item gets any of the free ones
// with the same chance, so that its place says nothing of when it came.
//
// All changes go through [Store.Apply]: a list of at most 100 declarative
// operations that happen together or not at all and are on the disk when it
// returns nil. What needs more is several lists, of which one makes the others count.
//
// Records and cells count against one quota. It fills in the order of who may wait:
// large items, then small ones and records, then what the owner of the store must write.
//
// After a failed fsync the store refuses everything ([ErrBroken]): what the
// kernel then holds is unknown, so the process must end, check and start anew. A
// file that is damaged, before it is opened or while it is used, is [ErrDamaged].
package store
