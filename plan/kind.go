package plan

import (
	"slices"
	"strings"
)

// Where the rules behind findings come from.
const (
	sourceOwn      = "Stopover"
	sourceProtocol = "Stopover, ownership protocol"
	sourceMeasured = "Stopover, docs/performance.md"
	// sourceProcess stands for the source and the certainty of the process that
	// the migration names.
	sourceProcess  = "the process"
	sourceRequired = "alwaysdata documentation, required migrations process, 2021 and 2025"
	source2017     = "alwaysdata documentation, 2017 and 2024 software architectures"
	source2020     = "alwaysdata documentation, 2020 migration"
	source2024     = "alwaysdata documentation, 2024 software architecture"
	sourceKept     = "alwaysdata documentation, 2020 and 2024 software architectures"
	sourcePerform  = "alwaysdata documentation, performing a migration"
	sourceTerms    = "alwaysdata documentation, terminology"
	sourceTasks    = "alwaysdata documentation, scheduled tasks"
	sourceTLS      = "alwaysdata documentation, SSL/TLS certificates"
	sourceRanges   = "alwaysdata documentation, IP ranges"
	sourceBackups  = "alwaysdata documentation, backups"
	sourcePrices   = "alwaysdata documentation, prices and quotas"
	sourceRename   = "alwaysdata documentation, renaming an account"
	sourceDNS      = "alwaysdata documentation, DNS and external addresses"
	sourceLogin    = "alwaysdata documentation, login details"
)

// Certainty of a rule.
const (
	documented = "documented" // its source says so in its own words
	observed   = "observed"   // seen on the servers, in facts or in the configuration
	inferred   = "inferred"   // concluded from what was seen
)

// FindingKind is one entry of the registry of findings.
type FindingKind struct {
	Code      string
	Title     string
	Severity  string // two of them become a blocker at the reinstall barrier
	Certainty string // documented | observed | inferred
	// Source is where the rule comes from; empty: Stopover.
	Source string
	// Checks are the checks of the hosting platform's dossier that it
	// implements, such as C16.
	Checks []string
	// Waivable says that a waiver may let findings of this kind pass. What
	// guards the ownership of an account, or data that could be lost, is not.
	Waivable bool
	// Drifts says that the finding comes and goes with what grows, with what a
	// resolver answers, or with what the plan itself has done: below a blocker,
	// a saved plan is not stale because of it.
	Drifts bool
	// Dated says that the finding depends on the clock: it is one of the dates
	// of a plan, and no part of what is compared and digested.
	Dated bool
	// Survey says that surveys of providers find it, and the planner passes it on.
	Survey bool
	Doc    string
	Remedy string
}

// FindingKinds returns the registry: every finding that Compute can report, and
// those of the surveys of this program's providers, sorted by code. The lists in it must not be written to.
func FindingKinds() []FindingKind {
	out := slices.Clone(findingKinds)
	slices.SortFunc(out, func(a, b FindingKind) int { return strings.Compare(a.Code, b.Code) })
	return out
}

// findingKinds and kindIndex are never written to.
var (
	findingKinds = slices.Concat(serverKinds, accountKinds, orderKinds, targetKinds, engineKinds, contentKinds, dnsKinds,
		trialKinds, renameKinds, waiverKinds, journeyKinds, timeKinds, surveyKinds,
		machineKinds, environmentKinds, libraryKinds, networkKinds, loginKinds, dbmsKinds)
	kindIndex = indexKinds(findingKinds)
)

func indexKinds(list []FindingKind) map[string]*FindingKind {
	m := make(map[string]*FindingKind, len(list))
	for i := range list {
		if m[list[i].Code] != nil {
			panic("plan: finding " + list[i].Code + " twice")
		}
		m[list[i].Code] = &list[i]
	}
	return m
}

// KindOf returns the registry's entry of a code, or nil: own checks and policies
// have none, nor what the survey of a provider from elsewhere finds.
func KindOf(code string) *FindingKind {
	k := kindIndex[code]
	if k == nil {
		return nil
	}
	c := *k
	return &c
}

// kindOf returns the registry's entry. A code that has none is a mistake in
// this package.
func kindOf(code string) *FindingKind {
	if k := kindIndex[code]; k != nil {
		return k
	}
	panic("plan: no finding " + code)
}
