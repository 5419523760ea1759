package main

import "postern/reviewer/casework"

var cmdTitle = newAction(action{
	name: "title", kind: casework.KindTitle, words: []string{"text"},
	short: "give a case a title of your own",
	long: `Title names a case for you and your fellow holders. Without one it has none any
more.`,
})
