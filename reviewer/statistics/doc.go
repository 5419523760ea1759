// Package statistics counts cases for the public, so that the figures an ombuds
// institution owes each year (EU 2019/1937 art. 27.2, ISO 37002 9.1.2) point to nobody.
//
// A [Row] is what is left of a case for counting: answers as ids of a vocabulary,
// months and numbers of days, an outcome. No text, no day, no id of the case. It
// outlives the case's erasure. [Merge] joins the rows of several desks and bodies,
// so that a case that several of them read counts once. [Make] counts the rows of a
// period into a [Table] and leaves out every count under 5 together with what would
// give it away by subtraction, inside the table and against tables published before
// (SECURITY.md S-33). The table is written as JSON, CSV, a page for the operator's
// /about and charts, and signed by the holder who made it.
//
//	vocabulary.go  institutions, kinds of units, ranks, outcomes, recommendations
//	row.go         the row of a case and its strict form
//	merge.go       rows of one case at several bodies, as one
//	count.go       what a table counts: groups, and who counts in them
//	withhold.go    what is not shown, and why nobody can work it out
//	solve.go       finding another possible world by linear programming
//	table.go       the table, its making and its strict form
//	sign.go        the signature of the holder who made it
//	csv.go, page.go, chart.go  how it is shown; locale.go in which words
//
// # What a count says
//
// Received cases are those whose source first wrote in the period; closed ones, with
// outcome, action, money and days until they were closed, those that were closed in it,
// whenever they came; recommendations those issued in it. Open are those that are not
// closed at its end. Days until a case was acknowledged and answered are of cases
// received in the period.
//
// Zero is a count under 5: were it shown, a place without a number would say that
// somebody is there. Nothing shows which counts are left out because they are small,
// and which protect others.
//
// The package is pure: it reads and writes no file and knows no vault.
package statistics
