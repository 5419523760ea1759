package main

import "postern/reviewer/casework"

var cmdStage = newAction(action{
	name: "stage", kind: casework.KindStage, words: []string{"to"}, least: 1,
	short: "move a case to another stage",
	long: `Stage moves a case: received, acknowledged, assessed, inquiry, concluded,
closed; or referred, out-of-scope, withdrawn, reopened. A case is concluded with
--outcome and --reasons; referred, out of scope or withdrawn with --reasons; and
closed from one of these four alone, with --approver and --action. Nothing is
told to the source: reply --stage does that.`,
})
