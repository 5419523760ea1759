package main

import "postern/reviewer/casework"

var cmdRisk = newAction(action{
	name: "risk", kind: casework.KindRisk, words: []string{"level"}, least: 1,
	short: "assess the risk to the source",
	long: `Risk keeps an assessment of the risk to the source: low, medium, high or
critical, with --reasons. It is due again on the day that --again names, or as
the settings say; and at once when the source tells of danger or retaliation.`,
})
