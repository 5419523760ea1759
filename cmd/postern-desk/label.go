package main

import "postern/reviewer/casework"

var cmdLabel = newAction(action{
	name: "label", kind: casework.KindLabel, words: []string{"name"}, least: 1,
	short: "put a label on a case, or take it off",
	long:  `Label puts a label on a case; --end takes it off.`,
})
