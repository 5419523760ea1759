package main

import "postern/reviewer/casework"

var cmdPriority = newAction(action{
	name: "priority", kind: casework.KindPriority, words: []string{"likelihood", "impact"}, least: 2,
	short: "say how likely and how grave",
	long:  `Priority is likelihood times impact, each from 1 to 5.`,
})
