package view

import (
	"strings"

	"github.com/stopover/stopover/cmd/internal/notice"
)

// NoticesDocument is what notices gives to programs: the texts for the owners
// of accounts, and where they were written.
type NoticesDocument struct {
	FormatVersion string       `json:"format_version"`
	Migration     string       `json:"migration"`
	Notices       []NoticeText `json:"notices"`
	Done          []string     `json:"done"`            // accounts that get none, because they do not move any more
	Files         []string     `json:"files,omitempty"` // tables and calendars that were written

	Dir        string `json:"-"` // of one file for each; empty: none
	NoCalendar string `json:"-"` // file that was not written, because no date is known
}

// NoticeText is one of them.
type NoticeText struct {
	*notice.Notice
	notice.Text
	File string `json:"file,omitempty"`
}

// Notices shows the texts, or where they were written.
func (v *View) Notices(n NoticesDocument) {
	n.FormatVersion = FormatVersion
	if n.Notices == nil {
		n.Notices = []NoticeText{}
	}
	if v.give(n) {
		return
	}
	unknown := 0
	for i := range n.Notices {
		x := &n.Notices[i]
		if n.Dir == "" && len(n.Files) == 0 && n.NoCalendar == "" {
			v.letter(x)
		}
		if x.First() == nil {
			unknown++
		}
	}
	if n.Dir != "" {
		v.item("", "", nil, plural(len(n.Notices), "notice")+" written to "+clean(n.Dir)+".", nil)
	}
	for _, f := range n.Files {
		v.item("", "", nil, "Wrote "+clean(f)+".", nil)
	}
	if n.NoCalendar != "" {
		v.item("", "", nil, "No date is known yet: "+clean(n.NoCalendar)+" was not written.", nil)
	}
	if unknown > 0 {
		v.item("", "", nil, "The date is not known yet for "+plural(unknown, "account")+"; their texts say so. Write the notices again once it is.", nil)
	}
	if len(n.Done) > 0 {
		v.item("", "", nil, "Nothing to tell: "+names(n.Done, v.most(5))+".", nil)
	}
	if len(n.Notices) == 0 {
		v.line("No account moves any more: there is nobody to write to.")
	}
}

// letter shows one text with a line above that says whom it is for.
func (v *View) letter(x *NoticeText) {
	head := named(x.Account)
	if x.Contact != "" {
		head += " · " + shorten(clean(x.Contact), mostName)
	}
	v.line("%s", v.style.faint("── "+shorten(head, v.width-4)+" "+strings.Repeat("─", max(0, v.width-4-cells(head)))))
	v.item("", "", nil, clean(x.Subject), v.style.bold)
	v.line("")
	for l := range strings.Lines(x.Body) {
		l = strings.TrimSuffix(l, "\n")
		text := strings.TrimLeft(l, " ")
		v.item(l[:len(l)-len(text)], "", nil, clean(text), nil)
	}
	v.line("")
}
