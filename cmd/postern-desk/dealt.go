package main

import "postern/reviewer/casework"

var cmdDealt = newAction(action{
	name: "dealt", kind: casework.KindDealt, words: []string{"flag"}, least: 1,
	short: "say that a flag was dealt with",
	long: `Dealt takes down a flag: danger, retaliation, withdrawal, changed-code or
urgent, in all messages that raise it now. It is up again as soon as the source
says so again.`,
})
