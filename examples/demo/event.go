package main

import (
	"fmt"
	"time"
)

// see tells what one message of the program means.
func (s *story) see(m message) {
	switch m.Type {
	case "planned_change":
		for _, c := range m.Change.Cutovers {
			s.predicted[c.Group] = max(s.predicted[c.Group], c.Downtime)
		}
	case "step_complete":
		s.finished(m)
	case "downtime":
		if m.Text == "downtime" { // not the one that was seen outside
			s.down = time.Duration(m.Duration) * time.Millisecond
		}
	case "run_end":
		for _, a := range m.Result.Accounts {
			for _, c := range a.Cutovers {
				s.moved(a.Account, c)
			}
		}
	}
}

func (s *story) moved(account string, c cutover) {
	s.moves = append(s.moves, move{account: account, to: c.To, predicted: s.predicted[c.Group], measured: c.Downtime, outside: c.Outside})
}

// finished tells of the steps that a person wants to hear about.
func (s *story) finished(m message) {
	took := time.Duration(m.Duration) * time.Millisecond
	say := func(format string, args ...any) { s.t.did(fmt.Sprintf(format, args...), seconds(took)) }
	switch m.Op {
	case "record_baseline":
		say("asked the site of %s how it answers today", m.Account)
	case "provision":
		say("the transit server is up")
	case "precopy", "final_sync":
		c := s.copied[m.Account]
		s.copied[m.Account] = copied{c.bytes + m.Bytes, c.took + took}
	case "warm":
		c := s.copied[m.Account]
		s.t.did(fmt.Sprintf("%s is copied and compared while in use (%s)", m.Account, size(c.bytes+m.Bytes)), seconds(c.took+took))
		delete(s.copied, m.Account)
	case "switch":
		s.t.did(fmt.Sprintf("%s: frozen, %s copied, compared, now on %s", m.Account, size(s.copied[m.Account].bytes), m.To), "down "+seconds(s.down))
		delete(s.copied, m.Account)
	case "probe":
		say("the site of %s answers as before", m.Account)
	case "archive_account":
		say("%s is archived", m.Account)
	case "retire_account":
		say("%s is closed", m.Account)
	case "dispose_residue":
		say("what no account owns is put aside")
	case "carry_residue":
		say("what no account owns is back in place")
	case "seal":
		say("the source is sealed: nothing starts on it any more")
	case "reroute":
		say("the transit server answers on the source's address")
	case "reinstall":
		say("the source is wiped and installed anew")
	case "return_addresses":
		say("the source answers on its address again")
	case "release":
		say("the copies on the transit server are gone")
	case "finish":
		say("the journey is closed")
	}
}
