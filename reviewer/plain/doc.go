// Package plain is how a desk shows what others wrote, and what it says itself, in plain text.
//
// Text and names come from people who may wish the reader harm: they pass
// [SafeText] or [SafeLine] on their way to a terminal or page, and [SafeName] on their way
// to a folder (SECURITY.md S-15). [Fold] and [Printer] keep words of others behind a bar, in
// rows that no terminal wraps; [DescribeDirectory] says what a directory changes.
package plain
