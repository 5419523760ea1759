// Package form is the vocabulary of reports: bodies' kinds, topics, questions,
// consent, reporter types, and the codec of structured answers and case
// events. Server and desk share it; it imports nothing of ours.
package form

// Answer is the answer to one question: option ids for choices, one text otherwise.
type Answer struct {
	ID     string
	Values []string
}

// Answers in the order of the questions.
type Answers []Answer

// Encode gives one frame's data per answer.
func (a Answers) Encode() ([][]byte, error) { panic("unbuilt") }

// DecodeAnswers reads what Encode wrote; unknown ids and options are refused.
func DecodeAnswers(frames [][]byte) (Answers, error) { panic("unbuilt") }
