package main

import "postern/reviewer/casework"

var cmdDate = newAction(action{
	name: "date", kind: casework.KindDate, words: []string{"what", "day"}, least: 2,
	short: "note a day to look at a case: a time bar, a review, a promise",
	long: `Date notes a day in the due list: bar (a time bar: it warns and refuses
nothing), review or promise, with the words of --text. strike ends it.`,
})

var cmdExtend = newAction(action{
	name: "extend", kind: casework.KindExtend,
	short: "take more time for feedback, and say why",
	long: `Extend moves the day by which the source hears what is done from three months to
six, as the settings say, with the reasons why (Directive (EU) 2019/1937, art.
11.2.d).`,
})

var cmdTold = newAction(action{
	name: "told", kind: casework.KindTold, words: []string{"what"}, least: 1,
	short: "record that they were told in another way",
	long: `Told records that whoever reported was told that the report is here
(acknowledged), or what is done about it (feedback), --how, in another way than
by an answer of this desk.`,
})
