package view

import (
	"strings"

	"github.com/stopover/stopover/plan"
)

// doing says what a step does, in words that a person uses.
func doing(op plan.Op, part, from, to, server string) string {
	from, to, server, part = place(from), place(to), place(server), clean(part)
	switch op {
	case plan.OpBaseline:
		return "record how the site answers today"
	case plan.OpRemoveRuntime:
		return "remove a runtime from " + server
	case plan.OpRestoreRuntime:
		return "put a runtime back on " + server
	case plan.OpProbeReady:
		return "check that the site answers without the removed runtimes"
	case plan.OpProvision:
		return "set up " + server
	case plan.OpHandover:
		return "record that " + server + " was handed over"
	case plan.OpPair:
		return "make " + from + " and " + to + " partners for the move"
	case plan.OpPrecopy:
		return "copy " + part + " to " + to + " while in use"
	case plan.OpWarm:
		return "copy what changed and compare all of it while in use"
	case plan.OpFreeze:
		return "freeze on " + from
	case plan.OpFinalSync:
		return "copy what changed of " + part
	case plan.OpCompare:
		return "compare both sides"
	case plan.OpPrepareCopy:
		return "get the copy ready to open"
	case plan.OpSwitch:
		return "switch to " + to
	case plan.OpThaw:
		return "give up, go on where it was"
	case plan.OpConfirm:
		return "tell " + from + " that " + to + " has taken over"
	case plan.OpProbe:
		return "check that the site answers as before"
	case plan.OpArchive:
		return "archive the account"
	case plan.OpRetire:
		return "stop the account for good"
	case plan.OpResidue:
		return "take care of what no account owns"
	case plan.OpSeal:
		return "seal " + server
	case plan.OpReroute:
		return "send the users of the source to " + server
	case plan.OpReinstall:
		return "reinstall " + server
	case plan.OpStub:
		return "prepare " + server + " to pass visitors on"
	case plan.OpReturnAddresses:
		return "give " + server + " its addresses back"
	case plan.OpCarryBack:
		return "put back what no account owns"
	case plan.OpRelease:
		return "delete the copies on " + server
	case plan.OpFinish:
		return "close the journey"
	case plan.OpGate:
		return "wait for somebody"
	case plan.OpTrial:
		return "try the databases on " + server
	}
	return clean(strings.ReplaceAll(string(op), "_", " ")) // an op that a newer version wrote
}

// place names a server in a sentence.
func place(s string) string {
	if s == "" {
		return ""
	}
	return named(s)
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
