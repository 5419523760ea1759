// Package vault keeps what an owner knows in one directory, sealed under a
// passphrase. It knows nothing of cases: what it holds are bytes.
//
//	vault.age   the key file: an age file under the passphrase (scrypt). It holds the
//	            key of the state and a secret of the owner's, like keys of their own
//	state       one sealed record. Replaced as a whole, so a change happens or it does not
//	packs/      blobs, each an age file under a key of its own that only the state
//	            holds; to erase a blob is to overwrite it and forget its key
//	lock        one program at a time
//
// No name in it says anything, and nothing is written in clear.
package vault
