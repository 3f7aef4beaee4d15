package view

import (
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// doing says what a step does, in words that a person uses.
func doing(op plan.Op, part, from, to, server string) string {
	from, to, server = clean(from), clean(to), clean(server)
	what := map[plan.Op]string{
		plan.OpBaseline:        "record how the site answers today",
		plan.OpRemoveRuntime:   "remove a runtime from " + server,
		plan.OpRestoreRuntime:  "put a runtime back on " + server,
		plan.OpProbeReady:      "check that the site answers without the removed runtimes",
		plan.OpProvision:       "set up " + server,
		plan.OpHandover:        "record that " + server + " was handed over",
		plan.OpPair:            "make " + from + " and " + to + " partners for the move",
		plan.OpPrecopy:         "copy " + part + " to " + to + " while in use",
		plan.OpWarm:            "copy what changed and compare all of it while in use",
		plan.OpFreeze:          "freeze on " + from,
		plan.OpFinalSync:       "copy what changed of " + part,
		plan.OpCompare:         "compare both sides",
		plan.OpPrepareCopy:     "get the copy ready to open",
		plan.OpSwitch:          "switch to " + to,
		plan.OpThaw:            "give up, go on where it was",
		plan.OpConfirm:         "tell " + from + " that " + to + " has taken over",
		plan.OpProbe:           "check that the site answers as before",
		plan.OpArchive:         "archive the account",
		plan.OpRetire:          "close the account for good",
		plan.OpResidue:         "take care of what no account owns",
		plan.OpSeal:            "seal " + server,
		plan.OpReroute:         "send the users of the source to " + server,
		plan.OpReinstall:       "reinstall " + server,
		plan.OpStub:            "prepare " + server + " to pass visitors on",
		plan.OpReturnAddresses: "give " + server + " its addresses back",
		plan.OpCarryBack:       "put back what no account owns",
		plan.OpRelease:         "delete the copies on " + server,
		plan.OpFinish:          "close the journey",
		plan.OpGate:            "wait for somebody",
	}[op]
	if what == "" { // an op that a newer version wrote
		what = clean(strings.ReplaceAll(string(op), "_", " "))
	}
	return what
}

// describe is one step as a row of a plan. What acts on a server says why.
func describe(s *plan.Step) string {
	what := doing(s.Op, s.Part, s.From, s.To, s.Server)
	switch {
	case s.Op == plan.OpGate && s.Account == "":
		return "wait for " + clean(s.Actor) + ": " + clean(s.Why)
	case s.Op == plan.OpGate:
		return "wait for " + clean(s.Actor) + " to " + clean(s.Why)
	case s.Op == plan.OpResidue:
		what = clean(s.Method) + " " + quoted(s.Objects)
	case s.Op == plan.OpCarryBack:
		what = "put back " + quoted(s.Objects)
	case s.Op == plan.OpReinstall || s.Op == plan.OpFinish || s.Op == plan.OpRelease:
		return what // says it all
	case s.Op == plan.OpRemoveRuntime || s.Op == plan.OpRestoreRuntime:
		what += " (" + quoted(s.Objects) + ")"
	}
	if s.Account == "" && s.Why != "" {
		what += ": " + clean(s.Why)
	}
	return what
}

func quoted(list []string) string { return names(list, 3) }

// confidence says where an estimate comes from.
func confidence(c string) string {
	switch c {
	case "rule":
		return "a rule of thumb"
	case "measured":
		return "as measured before"
	}
	return clean(c)
}

// clean makes a text that came from a server, a file or another program fit
// for a terminal: one line, valid UTF-8, no control characters, nothing that
// turns the direction of writing round.
func clean(s string) string {
	bad := func(r rune) bool {
		return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' ||
			r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\ufeff'
	}
	s = strings.ToValidUTF8(s, "\ufffd")
	if !strings.ContainsFunc(s, bad) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case bad(r):
			return '\ufffd'
		}
		return r
	}, s)
}

// about names what an event or a finding is about.
func about(account string) string {
	if account == "" {
		return ""
	}
	return schema.QuoteName(account) + ": "
}
