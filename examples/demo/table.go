package main

import (
	"fmt"
	"time"
)

// table shows each move and what visitors saw.
func (s *story) table() {
	s.t.line("\n  %s", s.t.bold(pad("account", 12)+pad("moved to", 10)+lpad("predicted", 11)+lpad("measured", 11)+lpad("seen outside", 14)))
	for _, m := range s.moves {
		outside := "–"
		if m.outside > 0 {
			outside = seconds(m.outside)
		}
		s.t.line("  %s%s%s%s%s", pad(m.account, 12), pad(m.to, 10), lpad(seconds(m.predicted), 11), lpad(seconds(m.measured), 11), lpad(outside, 14))
	}
	s.t.line("\n  %s", s.t.bold(pad("visitors of", 12)+lpad("requests", 9)+lpad("failed", 8)+lpad("promised", 10)+lpad("mails", 7)+lpad("later", 7)+lpad("longest wait", 14)))
	for _, a := range s.w.accounts {
		x := s.v.loads[a.name].Stats()
		s.t.line("  %s%s%s%s%s%s%s", pad(a.name, 12), lpad(number(x.Asked), 9), lpad(number(x.Failed), 8), lpad(number(x.Writes), 10),
			lpad(number(x.Mails), 7), lpad(number(x.Deferred), 7), lpad(seconds(x.Slowest), 14))
	}
	s.t.line("")
	s.t.text("Predicted is what the plan said before, measured is from the freeze to the new owner's first answer, seen outside the longest silence for a client that asks through the account's address. Later: mails that were told to come again, as mail servers do.")
}

// longestMove is the downtime beyond which the demo says that something is
// wrong, on however busy a machine.
const longestMove = 30 * time.Second

// judge says whether the figures are as they should be.
func (s *story) judge() error {
	want := 0
	for _, a := range s.w.accounts {
		want += 2
		if a.name == s.w.accounts[1].name {
			want += 2 // back, and out again
		}
	}
	if len(s.moves) != want {
		return fmt.Errorf("there were %d moves, expected %d", len(s.moves), want)
	}
	for _, m := range s.moves {
		if m.measured > longestMove {
			return fmt.Errorf("%s was down for %s, more than %s, which is wrong", m.account, seconds(m.measured), seconds(longestMove))
		}
	}
	all := s.v.sum()
	if all.Writes == 0 || all.Mails == 0 {
		return fmt.Errorf("the visitors did nothing: %d entries, %d mails", all.Writes, all.Mails)
	}
	if all.Failed > 0 {
		s.t.text("%s of %s requests failed. What they wanted was not promised; it did not happen, or happened once.", number(all.Failed), number(all.Asked))
	}
	return nil
}
