package main

import "postern/reviewer/casework"

var cmdNote = newAction(action{
	name: "note", kind: casework.KindNote, words: []string{"text"}, least: 1,
	short: "write a note",
	long: `Note keeps words beside a case: those of the file TEXT, or of standard input.
Your fellow holders read it with their next batches, unless --for says
otherwise.`,
})
