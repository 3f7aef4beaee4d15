package plan

import "github.com/stopover/stopover/schema"

// Findings about the journey: residue, approvals, baselines, the way back.
const (
	codeClosed        = "journey-closed"
	codeResidue       = "residue-unruled"
	codeResidueUnused = "residue-rule-unused"
	codeApprovalStale = "approval-stale"
	codeApprovalGate  = "approval-unknown-gate"
	codeNoBaseline    = "baseline-missing"
	codeRolledBack    = "rolled-back"
	codeNoRollback    = "rollback-not-offered"
	codeRollbackLate  = "rollback-too-late"
	codeRollbackAway  = "rollback-not-on-transit"
)

var journeyKinds = []FindingKind{
	{Code: codeClosed, Title: "an account takes part in a journey that was closed", Severity: schema.Warning, Certainty: observed,
		Doc:    "The journey was finished and the transit copies were released; nothing moves any more.",
		Remedy: "Write a new migration, with another name, for accounts that still have to move."},
	{Code: codeResidue, Title: "something on the source belongs to no account and has no rule", Severity: schema.Warning, Certainty: observed, Checks: []string{"C26", "C36", "C38"},
		Doc: "A file, a directory or a program that is no account's: server-wide settings, the crontab of an administrator, a monitoring agent. " +
			"The reinstallation would delete it; from the reinstall barrier on this is a blocker. No waiver lets it pass: write down what becomes of it.",
		Remedy: "Write a `residue` block for it: carry, archive or discard."},
	{Code: codeResidueUnused, Title: "a residue rule matches nothing", Severity: schema.Warning, Certainty: observed, Waivable: true,
		Doc:    "The path was not found on the source, and was not dealt with before. It may be a mistake in the path, and what was meant has no rule.",
		Remedy: "Correct the path, or remove the block."},
	{Code: codeApprovalStale, Title: "an approval names other evidence", Severity: schema.Warning, Certainty: observed,
		Doc: "It does not count: what was looked at is not what is there now, or nothing was there yet. " +
			"Of an approval by command this is only said, as it was given for an earlier move.",
		Remedy: "Look again, and approve the evidence that `stopover status` prints."},
	{Code: codeApprovalGate, Title: "an approval names no gate of this migration", Severity: schema.Warning, Certainty: observed,
		Doc:    "It does not count, and whoever gave it believes that it does.",
		Remedy: "Correct the name of the gate; `stopover status` lists them."},
	{Code: codeNoBaseline, Title: "an account moved without a baseline", Severity: schema.Warning, Certainty: observed, Source: sourcePerform, Checks: []string{"C53"}, Waivable: true,
		Doc:    "What its probes answered before the move is not remembered, so that there is nothing to compare with.",
		Remedy: "Look at the account yourself before you accept it."},
	{Code: codeRolledBack, Title: "an account went back and moves again", Severity: schema.Info, Certainty: observed,
		Doc:    "It was rolled back; this plan moves it out once more, as new work with a new epoch.",
		Remedy: "If it should not move yet, exclude it in the configuration, or name the others with `--account`."},
	{Code: codeNoRollback, Title: "the process has no way back for an account", Severity: schema.Blocker, Certainty: documented, Source: sourceProcess,
		Doc:    "The process promises none, or the way back has ended because the source was sealed or reinstalled.",
		Remedy: "Mend the account where it is."},
	{Code: codeRollbackLate, Title: "the days for going back are over", Severity: schema.Blocker, Certainty: documented, Source: sourceProcess,
		Doc:    "The process allows it for some days from the account's own migration.",
		Remedy: "Mend the account where it is."},
	{Code: codeRollbackAway, Title: "an account to be rolled back is not on transit", Severity: schema.Blocker, Certainty: observed,
		Doc:    "Only what is on transit can go back. The name may be wrong, or the account went back already or never left.",
		Remedy: "Correct the name; `stopover status` says where each account is."},
}
