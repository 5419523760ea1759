package dossier

import (
	"fmt"
	"io"

	"postern/crypto"
	"postern/reviewer/casework"
)

// Case is what a dossier is made of. Words and names are as they came: what shows them makes
// them safe (SECURITY.md S-15).
type Case struct {
	ID        crypto.CaseID
	Short     string // its name on the desk
	Title     string // that the body gave it
	Origin    string // of the directory
	Body      string // id of the body that makes the dossier
	Holder    string // and of its holder
	Made      crypto.Day
	Received  crypto.Day
	Readers   []string // names of the bodies that the source chose
	Messages  []Message
	Events    []casework.Signed
	Custody   []Custody
	Directory []byte // the signed note in force
}

// Message is one message of a case.
type Message struct {
	No         int
	Day        crypto.Day
	Kind       string   // report, follow-up, file, reply or event
	From       string   // source, or who signed: body/holder
	Notes      []string // what a reader must know before the words
	Answers    []Answer
	Words      string
	Files      []File
	Unreadable bool // its container is damaged
	Masked     bool // of a masked copy: nothing but its day is left
}

// FromSource is From of a message of the source.
const FromSource = "source"

// Answer is one answer of the source, by ids of package form.
type Answer struct {
	Question string
	Values   []string
}

// File is one file. Open writes its bytes, and fails when they are not those of the hash.
type File struct {
	No        int
	Name      string
	MediaType string
	Size      int64
	SHA256    [32]byte
	Open      func(io.Writer) error
	Left      bool // of a masked copy: it does not go along; where its name is masked too, it has none
}

// Custody says that somebody did something with the case's content.
type Custody struct {
	Day    crypto.Day
	Who    string // body/holder
	Act    Act
	Number int // of the message or file; 0: the whole case
}

// Act is what was done.
type Act string

// The acts. What is opened is read on the desk; what is extracted, exported or printed has left it.
const (
	ActOpen    Act = "open"    // a message was shown
	ActExtract Act = "extract" // a file left the vault in clear
	ActWords   Act = "words"   // the words of a message left the vault in clear
	ActDossier Act = "dossier" // an evidence folder was written
	ActCopy    Act = "copy"    // a working copy was written
	ActPrint   Act = "print"   // the case was printed
)

// Acts there are.
func Acts() []Act { return []Act{ActOpen, ActExtract, ActWords, ActDossier, ActCopy, ActPrint} }

// Line is the entry as a line of the list.
func (c Custody) Line() string {
	what := "the case"
	switch {
	case c.Number == 0:
	case c.Act == ActExtract:
		what = fmt.Sprintf("file %d", c.Number)
	default:
		what = fmt.Sprintf("message %d", c.Number)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s", c.Day, c.Who, c.Act, what)
}
