// Package locale is how pages get their words: one file per language, the same
// keys in each, plural forms as the language has them (CLDR), and days and
// sizes as its people write them.
//
//	{
//	  "lang": "en", "dir": "ltr", "reviewed": "who has read all of it, and when",
//	  "words": {
//	    "inbox.none": "Nothing is waiting.",
//	    "cases": {"one": "{1} case", "other": "{1} cases"}
//	  }
//	}
//
// {1}, {2} are places for values. A text in several forms is chosen by its first
// value, a number.
//
// The words of the source's pages lie here, in source/: the pages of package web
// show them, and the desk's window shows with them what a source will see, in
// their language. Other rooms keep theirs beside them and read them with [Read] or [Beside].
// Tests that every language is complete are in locale/localetest.
package locale
