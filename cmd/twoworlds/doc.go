// Package twoworlds holds the promises of SECURITY.md to what somebody in one
// position can really see.
//
// Two worlds are the same but for one secret: whether a code is in use, whether
// a body was ticked, whether something was erased, at which hour a report came,
// whether a body replied in between. In each, everything that one position of
// SECURITY.md's adversaries sees is taken down: what is served day by day, the
// bytes of the files and how they change, what the records hold for who has the
// storage key, the numbers inside messages, what a page is made of. What a
// function fixes must be equal; what is drawn at random must come from one
// distribution, which is judged by samples that would mislead us less than once
// in a million runs.
//
// Every attack that worked on the first draft was a difference of this kind, in
// a place where nobody had looked. So a new position, a new secret, or anything
// new that somebody can see gets its line here. [TestPositions] holds the list
// against SECURITY.md.
//
// There is no code here but that of tests.
package twoworlds
