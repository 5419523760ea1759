// Package keeper is what the keeper of a root key does on a machine of their own:
// make the key, see what a proposed directory changes, sign it, and remember what was signed.
//
// The root key signs the directory: who may read. It lies in a file of its own under a
// passphrase, apart from any vault. Several roots may be needed (directory, "roots m"): each keeper
// signs what the one before signed.
package keeper
