package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// Codes of the findings of Compute.
const (
	codeUnreachable   = "server-unreachable"
	codeAbsent        = "server-absent"
	codeReinstalling  = "server-reinstalling"
	codeMachine       = "machine-changed"
	codeSealed        = "sealed-elsewhere"
	codeHeld          = "held-by-other"
	codeCannot        = "capability-missing"
	codeCannotGate    = "capability-gate"
	codeFactsNotKept  = "facts-not-kept"
	codeClosed        = "journey-closed"
	codeNoAccounts    = "no-accounts"
	codeNameUnusable  = "name-unusable"
	codeNotFound      = "account-not-found"
	codeTwice         = "account-twice"
	codeOwnerMissing  = "owner-missing"
	codeRecordUnknown = "record-unknown"
	codeRecordBlocked = "record-blocked"
	codeNameConflict  = "name-conflict"
	codeUnnamed       = "account-unnamed"
	codeStaysNamed    = "stays-and-account"
	codeStaysMatched  = "stays-and-pattern"
	codeStaysAway     = "stays-on-transit"
	codeDropped       = "account-dropped"
	codeRetired       = "account-retired"
	codeStaysNowhere  = "stays-not-found"
	codeAfterUnknown  = "after-unknown"
	codeAfterCycle    = "after-cycle"
	codeAfterWaits    = "after-waits"
	codeRuntime       = "runtime-not-offered"
	codeRuntimeGone   = "runtime-missing"
	codeRuntimeBack   = "runtime-restored"
	codeEngineRemoved = "engine-removed"
	codeEngineMissing = "engine-missing"
	codeNotWAL        = "sqlite-not-wal"
	codeCapacity      = "capacity"
	codeBudget        = "downtime-budget"
	codeResidue       = "residue-unruled"
	codeResidueUnused = "residue-rule-unused"
	codeApprovalStale = "approval-stale"
	codeApprovalGate  = "approval-unknown-gate"
	codeShared        = "transit-shared"
	codeNoBaseline    = "baseline-missing"
	codeRolledBack    = "rolled-back"
	codeNoRollback    = "rollback-not-offered"
	codeRollbackLate  = "rollback-too-late"
	codeRollbackAway  = "rollback-not-on-transit"
)

// FindingKind is one entry of the registry of findings.
type FindingKind struct {
	Code      string
	Title     string
	Severity  string // two of them become a blocker at the reinstall barrier
	Certainty string // documented | observed | inferred
	Doc       string
	Remedy    string
}

// FindingKinds returns the registry: every finding that Compute can report,
// sorted by code.
func FindingKinds() []FindingKind {
	out := slices.Clone(findingKinds)
	slices.SortFunc(out, func(a, b FindingKind) int { return strings.Compare(a.Code, b.Code) })
	return out
}

// findingKinds is never written to.
var findingKinds = slices.Concat([]FindingKind{
	{codeUnreachable, "a server does not answer", schema.Blocker, "observed",
		"Phases that need the server have no steps; what was seen of the accounts there is not known.",
		"Bring the server up, or make it reachable from here, and plan again."},
	{codeAbsent, "a server is not there", schema.Blocker, "observed",
		"The source, or a transit server that was handed over before, is gone.",
		"Bring the server back. If it is lost for good, see `stopover declare-lost`."},
	{codeReinstalling, "the source is being reinstalled", schema.Info, "inferred",
		"The source was sealed and does not answer: that is what a reinstallation looks like from outside.",
		"Wait until it answers again, and plan again."},
	{codeMachine, "the source is another machine than at the beginning", schema.Blocker, "observed",
		"The machine identity differs from the one at the first claim, yet the server says that it was known since the beginning: a clone, or another server under the same address.",
		"Check the address of the server. If it was restored from an image of another machine, do not go on."},
	{codeSealed, "the source was sealed under another identity", schema.Blocker, "observed",
		"The transit server took over the accounts of this machine, or the machine is sealed by another migration: what lives here now is an old copy.",
		"Do not start anything on this server. Reinstall it, or unseal it if you know that the seal is not of use any more."},
	{codeHeld, "another migration holds records here", schema.Blocker, "observed",
		"Two projects that use one name do not meet: ids differ. An account moves in one migration at a time.",
		"Finish the other migration, or exclude the account from this one."},
	{codeCannot, "a server cannot do what every move needs", schema.Blocker, "observed",
		"Owning records and copying cannot be done by hand.",
		"Use a provider that can, or mend what it names."},
	{codeCannotGate, "a server cannot do this by itself", schema.Info, "observed",
		"The step becomes a gate: somebody does it, Stopover notices.",
		""},
	{codeFactsNotKept, "a server keeps no facts", schema.Warning, "observed",
		"Approvals and baselines are then in the state store only.",
		"Keep backups of the state store."},
	{codeClosed, "an account takes part in a journey that was closed", schema.Warning, "observed",
		"The journey was finished and the transit copies were released; nothing moves any more.",
		"Write a new migration, with another name, for accounts that still have to move."},
	{codeNoAccounts, "no account takes part", schema.Warning, "observed",
		"Nothing that was found matches what the migration names.",
		"Look at `stopover inventory` and at the patterns of the migration."},
	{codeNameUnusable, "the name cannot be used", schema.Blocker, "observed",
		"Names are escaped in file names; 255 bytes fit.",
		"Rename the account before it is moved."},
	{codeNotFound, "an account was not found on any server", schema.Blocker, "observed",
		"A rule that matches nothing is a mistake, not nothing to do.",
		"Correct the name, or remove the account from the configuration."},
	{codeTwice, "an account is active in two places", schema.Blocker, "observed",
		"This must never be. Nothing is done to this account.",
		"Stop the account on the server whose epoch is lower, and look at its record with `stopover inventory`."},
	{codeOwnerMissing, "nobody holds the account", schema.Blocker, "observed",
		"One server says that the account moved, the other one does not have it.",
		"Look at both records. If the other server was restored or lost, see `stopover declare-lost`."},
	{codeRecordUnknown, "there is no record that could be believed", schema.Blocker, "observed",
		"On a reinstalled or unknown machine, no record means unknown, never active.",
		"Bring the record back from the other server, or exclude the account."},
	{codeRecordBlocked, "the account's record is fenced or unreadable", schema.Blocker, "observed",
		"The agent refuses to serve or move the account.",
		"Do what the reason says; nothing else touches the account."},
	{codeNameConflict, "another account has this name on the target", schema.Blocker, "observed",
		"Nothing on a target is overwritten but the inactive copy that this migration holds by record.",
		"Rename one of the two, or use another transit server."},
	{codeUnnamed, "an account on the source is named by nothing", schema.Warning, "observed",
		"The reinstallation would delete it; from the reinstall barrier on this is a blocker.",
		"Name it in `account` or `accounts`, or write a `stays` block for it."},
	{codeStaysNamed, "an account both moves and stays", schema.Blocker, "observed",
		"An `account` block and a `stays` block name the same account.",
		"Remove one of the two."},
	{codeStaysMatched, "a pattern matches an account that stays", schema.Info, "observed",
		"The `stays` block wins.",
		"Add the account to `exclude` to say so."},
	{codeStaysAway, "an account that stays was moved to transit", schema.Blocker, "observed",
		"A disposition is for what is on the source. Neither the reinstallation nor the end is reached like this.",
		"Remove the `stays` block, roll the account back, and write the block again; or let it move."},
	{codeDropped, "an account that was moved is named by nothing any more", schema.Blocker, "observed",
		"It would stay on the transit server for ever. Neither the reinstallation nor the end is reached like this.",
		"Name it again in `account` or `accounts`; roll it back first if it is not to move."},
	{codeRetired, "an account that is to move was retired", schema.Blocker, "observed",
		"A disposition has stopped it for good on the source.",
		"Write its `stays` block again, or remove it from the configuration."},
	{codeStaysNowhere, "an account that stays was not found", schema.Warning, "observed",
		"A `stays` block names an account that the source does not have.",
		"Correct the name, or remove the block."},
	{codeAfterUnknown, "`after` names an account that does not take part", schema.Blocker, "observed",
		"The order that was asked for cannot be kept.",
		"Correct the name, or remove it from `after`."},
	{codeAfterCycle, "accounts wait for each other", schema.Blocker, "observed",
		"`after` leads from an account back to itself.",
		"Remove one of the names from `after`."},
	{codeAfterWaits, "an account waits for one that does not move", schema.Warning, "observed",
		"The account in `after` is stopped, or is not part of this plan.",
		"Mend what stops the other account, or plan both."},
	{codeRuntime, "a runtime in use is not offered by the target", schema.Blocker, "documented",
		"The account would arrive without what its programs run on.",
		"Switch the account to an offered version before it moves."},
	{codeRuntimeGone, "the transit server lacks a runtime that its architecture offers", schema.Blocker, "observed",
		"The architecture promises the version, the server does not have it.",
		"Install the runtime on the transit server, or correct the architecture."},
	{codeRuntimeBack, "a removed runtime is in use again", schema.Warning, "observed",
		"It is put back, so that the account works; the account is not ready.",
		"Switch the account to an offered version."},
	{codeEngineRemoved, "a database engine is gone on the target", schema.Blocker, "documented",
		"Its databases cannot arrive.",
		"Move the data to an offered engine, or away, before the account moves."},
	{codeEngineMissing, "a database engine is not offered by the target", schema.Blocker, "inferred",
		"The architecture lists engines, and this is none of them.",
		"Add the engine to the architecture if the target has it, or move the data away."},
	{codeNotWAL, "a SQLite database is not in WAL mode", schema.Warning, "observed",
		"What changed cannot be told: the database is compared whole within the cut, which takes longer.",
		"Set journal_mode=WAL, if the application allows it."},
	{codeCapacity, "the target is too small", schema.Blocker, "observed",
		"Accounts that do not fit are stopped, in the order of their moves.",
		"Make room on the target, or move fewer accounts."},
	{codeBudget, "the cutover would take longer than its budget", schema.Blocker, "inferred",
		"The account is prepared and copied ahead, and then stops before its cutover.",
		"Raise `downtime_budget`, or make the databases smaller."},
	{codeResidue, "something on the source belongs to no account and has no rule", schema.Warning, "observed",
		"The reinstallation would delete it; from the reinstall barrier on this is a blocker.",
		"Write a `residue` block for it: carry, archive or discard."},
	{codeResidueUnused, "a residue rule matches nothing", schema.Warning, "observed",
		"The path was not found on the source, and was not dealt with before.",
		"Correct the path, or remove the block."},
	{codeApprovalStale, "an approval names other evidence", schema.Warning, "observed",
		"It does not count: what was looked at is not what is there now, or nothing was there yet. Of an approval by command this is only said, as it was given for an earlier move.",
		"Look again, and approve the evidence that `stopover status` prints."},
	{codeApprovalGate, "an approval names no gate of this migration", schema.Warning, "observed",
		"It does not count, and whoever gave it believes that it does.",
		"Correct the name of the gate; `stopover status` lists them."},
	{codeShared, "other accounts live on the transit server", schema.Warning, "observed",
		"They are not touched. The transit server is not given away at the end, only our copies go.",
		"Make sure that the server may be shared."},
	{codeNoBaseline, "an account moved without a baseline", schema.Warning, "observed",
		"Its probes have nothing to be compared with.",
		"Look at the account yourself before you accept it."},
	{codeRolledBack, "an account went back and moves again", schema.Info, "observed",
		"It was rolled back; this plan moves it out once more.",
		"Leave it out with `--account` if it should not move yet."},
	{codeNoRollback, "the process has no way back for an account", schema.Blocker, "documented",
		"Or the way back has ended, because the source was sealed or reinstalled.",
		"Mend the account where it is."},
	{codeRollbackLate, "the days for going back are over", schema.Blocker, "documented",
		"The process allows it for some days from the account's migration.",
		"Mend the account where it is."},
	{codeRollbackAway, "an account to be rolled back is not on transit", schema.Blocker, "observed",
		"Only what is on transit can go back.",
		"Correct the name; `stopover status` says where each account is."},
}, timeKinds)

// kindOf returns the registry's entry. A code that has none is a mistake in
// this package.
func kindOf(code string) *FindingKind {
	for i := range findingKinds {
		if findingKinds[i].Code == code {
			return &findingKinds[i]
		}
	}
	panic("plan: no finding " + code)
}

// report adds a finding. summary may be empty: then the registry's title says
// enough.
func (b *builder) report(code, account, server, object, summary string) {
	b.reportAs(kindOf(code).Severity, code, account, server, object, summary)
}

func (b *builder) reportAs(severity, code, account, server, object, summary string) {
	k := kindOf(code)
	if summary == "" {
		summary = k.Title
	}
	f := schema.Finding{Code: code, Severity: severity, Account: account, Server: server, Object: object,
		Summary: summary, Remedy: k.Remedy, Source: "Stopover", Certainty: k.Certainty}
	if k.Certainty == "documented" {
		f.Source, f.Certainty = b.proc.Source, b.proc.Certainty
	}
	b.findings = append(b.findings, f)
}

// block reports what stops an account, from a phase on.
func (b *builder) block(a *account, code string, from int, object, summary string) {
	b.report(code, a.name, "", object, summary)
	a.halt(code, from)
}

// halt stops an account without a finding of its own.
func (a *account) halt(code string, from int) {
	if from < a.stop {
		a.stop, a.code = from, code
	}
}

// haltAll stops every account: a server lacks what all of them need.
func (b *builder) haltAll(code string, from int) {
	for _, a := range b.accounts {
		a.halt(code, from)
	}
	b.stop = min(b.stop, from)
}

// sortFindings puts what stops first, then servers, then accounts by name.
func sortFindings(list []schema.Finding) {
	slices.SortStableFunc(list, func(a, b schema.Finding) int {
		if c := rank(b.Severity) - rank(a.Severity); c != 0 {
			return c
		}
		if c := strings.Compare(a.Account, b.Account); c != 0 {
			return c
		}
		if c := strings.Compare(a.Code, b.Code); c != 0 {
			return c
		}
		if c := strings.Compare(a.Server, b.Server); c != 0 {
			return c
		}
		return strings.Compare(a.Object, b.Object)
	})
}

// rank orders severities.
func rank(severity string) int {
	switch severity {
	case schema.Blocker:
		return 3
	case schema.Warning:
		return 2
	case schema.Info:
		return 1
	}
	return 0
}
