package main

import "postern/reviewer/casework"

var cmdClassify = newAction(action{
	name: "classify", kind: casework.KindClassify,
	short: "give a case the coarse answers that statistics count",
	long: `Classify says what a case counts as in statistics. The newest answers replace
all earlier ones.`,
})
