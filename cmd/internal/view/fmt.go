package view

import (
	"fmt"
	"strings"
)

// FormattedDocument is what fmt gives to programs.
type FormattedDocument struct {
	FormatVersion string          `json:"format_version"`
	Files         []FormattedFile `json:"files"` // that change
}

// FormattedFile is one file that is not, or was not, written the usual way.
type FormattedFile struct {
	File string `json:"file"`
	Diff string `json:"diff,omitempty"`
}

// Formatted names the files that change, with their differences if these were
// asked for.
func (v *View) Formatted(files []FormattedFile) {
	if files == nil {
		files = []FormattedFile{}
	}
	if v.give(FormattedDocument{FormatVersion, files}) {
		return
	}
	for _, x := range files {
		v.item("", "", nil, clean(x.File), nil)
		for line := range strings.Lines(x.Diff) {
			text := clean(strings.TrimSuffix(line, "\n"))
			switch {
			case strings.HasPrefix(line, "+"):
				text = v.style.green(text)
			case strings.HasPrefix(line, "-"):
				text = v.style.red(text)
			}
			v.line("%s", text)
		}
	}
}

// Text prints a text as it is: what a user gave to the program itself, or what
// the program made for other programs.
func (v *View) Text(b []byte) {
	if _, err := v.out.Write(b); err != nil {
		fmt.Fprintln(v.err, err)
	}
}
