// Package search finds words in texts, in memory only. It knows nothing of cases.
//
// Texts and queries are folded alike ([Fold]), so that a word is found however it was typed:
// capitals, accents and vowel signs, the forms in which Arabic and Persian write one letter,
// and the digits of other scripts make no difference. A text is found when each word of the query
// stands somewhere in it, within longer words too: while one types, the list only shrinks.
//
// There is no index on a disk, nor any of words in memory: a text is looked through from
// its beginning, which takes some 20 ms for all of 40 MB, and leaves nothing to keep in step
// or to erase.
package search
