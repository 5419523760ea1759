package main

import "postern/reviewer/casework"

var cmdStrike = newAction(action{
	name: "strike", kind: casework.KindStrike, words: []string{"of"}, least: 1,
	short: "strike out a note, a date, a link or a request to erase",
	long: `Strike says that an earlier event no longer holds, and why. Nothing is taken out
of the record: both stay readable. OF are the 16 digits that show gives each
event.`,
})
