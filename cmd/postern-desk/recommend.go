package main

import "postern/reviewer/casework"

var cmdRecommend = newAction(action{
	name: "recommend", kind: casework.KindRecommend, words: []string{"aim"}, least: 1,
	short: "issue a recommendation",
	long: `Recommend keeps a recommendation: to discipline, to repair, to amend a policy or
a law, with its --text, to whom it was issued (--to), and by when an answer is
expected (--due). fate says what became of it.`,
})

var cmdFate = newAction(action{
	name: "fate", kind: casework.KindFate, words: []string{"of", "fate"}, least: 2,
	short: "say what became of a recommendation",
	long: `Fate says that a recommendation was accepted, rejected or implemented. OF are
the 16 digits that show gives it.`,
})
