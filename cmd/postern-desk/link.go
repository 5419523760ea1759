package main

import "postern/reviewer/casework"

var cmdLink = newAction(action{
	name: "link", kind: casework.KindLink, words: []string{"case"}, least: 1,
	short: "say that two cases belong together",
	long: `Link says that a case and another one here are about the same unit, place or
pattern. It stands in the first one. strike ends it.`,
})
