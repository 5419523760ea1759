// Package form is the vocabulary of reports, shared by the server's pages and
// the reviewers' desk: kinds of bodies, topics, questions, consent, reporter
// types, the ill-treatment module, urgency, what happened since, stages of a case;
// and the codec of structured answers and notices. Of ours it imports
// crypto alone, for the limits of the frames, and it never reaches package net.
//
//	vocabulary.go  every id, in the order in which people see it
//	answers.go     answers to questions: one container frame (type 40) each
//	notice.go      what a reply tells the source besides words: frame 42
//	text.go        which texts are canonical
//
// Ids are part of the format: they stand in sealed reports and in directories,
// so an id is never renamed or given another meaning; a new one may be added
// at any place of its list. Labels are English and for the desk. The source's
// pages take their words from locale/source, where every id must have one.
//
// Every question is optional and none leads. There is none for name, contact
// or motive, and none that asks for more evidence to be gathered: the
// narrative comes first, and what a source leaves out is left out.
//
// Sources of the vocabulary: Tshwane Principles 37 (topics), Istanbul Protocol
// 2022 (ill-treatment), ISO 37002:2021 (stages), UN guidance on security
// sector governance (bodies).
package form
