package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the manual tells an operator to type is typed in a script: every
// command in its sh blocks, and each with the options it has there.
func TestReadmeIsWalked(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var walked []string
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(scripts, "script_test.go") {
		b, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if options, ok := strings.CutPrefix(line, "enrol "); ok {
				line = "postern reviewer add " + options // what cmdEnrol runs
			}
			walked = append(walked, line)
		}
	}
	name := regexp.MustCompile(`^(postern(?:-desk)?) ((?:reviewer|directory|backup|root) [a-z]+|[a-z]+)`)
	option := regexp.MustCompile(`--[a-z-]+`)
	found := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
			line = strings.TrimSpace(line)
			m := name.FindStringSubmatch(line)
			if m == nil {
				if line != "" {
					t.Errorf("no command of ours in %q", line)
				}
				continue
			}
			found++
			options := map[string]bool{}
			for _, l := range walked {
				if !strings.Contains(l, m[1]) || !isCommand(l, m[2]) {
					continue
				}
				options[""] = true
				for _, o := range option.FindAllString(l, -1) {
					options[o] = true
				}
			}
			if !options[""] {
				t.Errorf("no script runs %s %s", m[1], m[2])
			}
			for _, o := range option.FindAllString(line, -1) {
				if !options[o] && o != "--dir" {
					t.Errorf("no script runs %s %s with %s", m[1], m[2], o)
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("the manual holds only %d commands: did its form change?", found)
	}
}

// isCommand says whether a line of a script, or of its helpers, runs a command.
func isCommand(line, command string) bool {
	quoted := `"` + strings.ReplaceAll(command, " ", `", "`) + `"`
	return strings.Contains(line, " "+command) || strings.Contains(line, quoted)
}
