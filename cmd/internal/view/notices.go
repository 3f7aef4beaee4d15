package view

import (
	"strings"

	"github.com/stopover/stopover/cmd/internal/notice"
	"github.com/stopover/stopover/schema"
)

// Notices are the texts for the owners of accounts, and where they were written.
type Notices struct {
	Migration  string
	List       []Notice
	Done       []string // accounts that get none, because they do not move any more
	Dir        string   // of one file for each; empty: none
	Files      []string // besides
	NoCalendar string   // file that was not written, because no date is known
}

// Notice is one of them.
type Notice struct {
	*notice.Notice
	notice.Text
	File string `json:"file,omitempty"`
}

// Notices shows the texts, or where they were written.
func (v *View) Notices(n Notices) {
	if v.json {
		list := n.List
		if list == nil {
			list = []Notice{}
		}
		v.document(map[string]any{"format_version": "1.0", "migration": n.Migration, "notices": list, "done": n.Done, "files": n.Files})
		return
	}
	written := n.Dir != "" || len(n.Files) > 0
	for i := range n.List {
		x := &n.List[i]
		if !written && n.NoCalendar == "" {
			v.letter(x)
		}
	}
	unknown := 0
	for i := range n.List {
		if n.List[i].First() == nil {
			unknown++
		}
	}
	if n.Dir != "" {
		v.line("%s written to %s.", plural(len(n.List), "notice"), clean(n.Dir))
	}
	for _, f := range n.Files {
		v.line("Wrote %s.", clean(f))
	}
	if n.NoCalendar != "" {
		v.line("%s", wrap("No date is known yet: "+clean(n.NoCalendar)+" was not written.", 80, ""))
	}
	if unknown > 0 {
		v.line("%s", wrap("The date is not known yet for "+plural(unknown, "account")+"; their texts say so. Write the notices again once it is.", 80, ""))
	}
	if len(n.Done) > 0 {
		v.line("%s", wrap("Nothing to tell: "+names(n.Done, v.most(5))+".", 80, ""))
	}
	if len(n.List) == 0 {
		v.line("No account moves any more: there is nobody to write to.")
	}
}

// letter shows one text with a line above that says whom it is for.
func (v *View) letter(x *Notice) {
	head := schema.QuoteName(x.Account)
	if x.Contact != "" {
		head += " · " + clean(x.Contact)
	}
	v.line("%s", v.style.faint("── "+head+" "+strings.Repeat("─", max(3, 74-len([]rune(head))))))
	v.line("%s\n", v.style.bold(clean(x.Subject)))
	v.line("%s", cleanLines(x.Body))
}
