package view

import "strings"

// Note says something beside the result of a command, to people only.
func (v *View) Note(text string) {
	if v.json {
		return
	}
	v.item("", "Note:", v.style.yellow, strings.TrimSpace(clean(text)), nil)
	v.line("")
}

// Wrote names a file that was written, to people only.
func (v *View) Wrote(file string) {
	if v.json {
		return
	}
	v.item("", "", nil, "Wrote "+clean(file)+".", nil)
}
