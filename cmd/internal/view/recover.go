package view

import (
	"strconv"
	"strings"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/schema"
)

// RecoverDocument is what recover gives to programs.
type RecoverDocument struct {
	FormatVersion string          `json:"format_version"`
	Done          *apply.Recovery `json:"done,omitempty"` // the order that was carried out
	Diagnosis     apply.Diagnosis `json:"diagnosis"`      // as things are now
}

// Diagnosed says what is wrong with the records of an account, and what can be
// decided about it.
func (v *View) Diagnosed(d apply.Diagnosis) {
	if v.give(RecoverDocument{FormatVersion: FormatVersion, Diagnosis: d}) {
		return
	}
	v.sides(d)
	if len(d.Wrong) == 0 {
		v.gap()
		v.item("", "", nil, "Nothing is wrong with the records of "+named(d.Account)+".", nil)
		return
	}
	for _, w := range d.Wrong {
		v.gap()
		v.item("", "", nil, clean(w), nil)
	}
	for _, c := range d.Choices {
		v.gap()
		v.item("", "possible", v.style.yellow, clean(c.Means), nil)
		v.orderLine(d.Account, c)
	}
}

// orderLine is the command for a choice. Where the names do not fit into a line
// it says what to type.
func (v *View) orderLine(account string, c apply.Choice) {
	end := ""
	if strings.HasPrefix(account, "-") {
		end = "-- "
	}
	word := shellWord(account)
	line := "  stopover recover --" + clean(c.Order) + " " + shellWord(c.Server) + " --confirm " + word + " " + end + word
	if cells(line) > v.width {
		v.item("  ", "", nil, "stopover recover, with the account's name, --"+clean(c.Order)+" and the server's name, --confirm and the account's name again", nil)
		return
	}
	v.line("%s", line)
}

// Recovered says that an order was carried out, and how things are now.
func (v *View) Recovered(order apply.Recovery, now apply.Diagnosis) {
	if v.give(RecoverDocument{FormatVersion: FormatVersion, Done: &order, Diagnosis: now}) {
		return
	}
	v.item("", "done", v.style.green, clean(order.Order)+" of "+named(order.Account)+" on "+named(order.Server)+".", nil)
	v.sides(now)
	for _, w := range now.Wrong {
		v.gap()
		v.item("", "", nil, clean(w), nil)
	}
	v.item("", "", nil, "Run plan to see what is left; apply goes on from there.", nil)
}

// sides is one line of each server's record.
func (v *View) sides(d apply.Diagnosis) {
	for _, s := range d.Sides {
		text := named(d.Account) + " on " + named(s.Server) + ": "
		switch o := s.Owner; {
		case s.Presence == schema.Absent:
			text += "the server is not there"
		case s.Presence != schema.Present:
			text += "the server does not answer"
		case o.State == "":
			text += "nothing is known of it"
		default:
			text += ownerWords(o)
		}
		v.item("", "", nil, text, nil)
	}
}

func ownerWords(o schema.Ownership) string {
	what := map[string]string{
		schema.StateUnmanaged: "it lives here", schema.StateActive: "owner", schema.StateFrozen: "owner, held for a switch",
		schema.StateStaged: "a copy", schema.StatePrepared: "a copy that waits to be opened", schema.StateMoved: "moved away",
		schema.StateRetired: "closed for good", schema.StateUnknown: "no record that counts",
	}[o.State]
	if what == "" {
		what = clean(o.State)
	}
	if o.Stopped == schema.StoppedUnreadable {
		return "the record is unreadable; not in use here"
	}
	what += ", epoch " + strconv.FormatUint(o.Epoch, 10)
	if o.Serves {
		return what + ", in use here"
	}
	return what + ", not in use here"
}
