package plan

import "github.com/stopover/stopover/schema"

// Findings about what the target offers: room, names, users, runtimes.
const (
	codeNameConflict   = "name-conflict"
	codeUID            = "uid-conflict"
	codeRuntime        = "runtime-not-offered"
	codeRuntimeChanged = "runtime-replaced"
	codeRuntimeGone    = "runtime-missing"
	codeRuntimeBack    = "runtime-restored"
	codeCapacity       = "capacity"
	codeQuotaSum       = "quota-sum"
	codeBudget         = "downtime-budget"
)

var targetKinds = []FindingKind{
	{Code: codeNameConflict, Title: "another account has this name on the target", Severity: schema.Blocker, Certainty: observed,
		Doc:    "Nothing on a target is overwritten but the inactive copy that this migration holds by record, and this account is somebody else's.",
		Remedy: "Rename one of the two, or use another transit server."},
	{Code: codeUID, Title: "another account has this user id on the target", Severity: schema.Blocker, Certainty: observed, Checks: []string{"C43"},
		Doc: "Files and programs of the two accounts would belong to one user of the system: each could read, and stop, what is the other's. " +
			"Where the server gives an account another user id by itself, this is no finding: it is listed as altered.",
		Remedy: "Give one of the two accounts another user id, or use another transit server."},
	{Code: codeRuntime, Title: "a runtime in use is not offered by the target", Severity: schema.Blocker, Certainty: documented, Source: sourceProcess, Checks: []string{"C02"}, Waivable: true,
		Doc: "The account would arrive without what its programs run on. Nothing replaces the version: either no rule says by which one, " +
			"or the target does not do it by itself, and then the summary names the version to switch to. " +
			"A waiver lets the account move as it is; what uses the runtime will not start there.",
		Remedy: "Switch the account to an offered version before it moves."},
	{Code: codeRuntimeChanged, Title: "a runtime in use arrives as another version", Severity: schema.Warning, Certainty: documented, Source: sourceKept, Checks: []string{"C02"}, Waivable: true,
		Doc: "The target does not have the version, and replaces it: a single version by the nearest one that is kept of its line, " +
			"a Node.js, Java or .NET line that was dropped by the next one. What was built for the old version (virtualenvs, native modules) may have to be built again. " +
			"A version that only becomes the line it is part of (8.3.1 becomes 8.3) is listed as altered, without this warning: every server runs it on its line.",
		Remedy: "Switch to the new version before the move, while there is time to mend what breaks."},
	{Code: codeRuntimeGone, Title: "the transit server lacks a runtime that its architecture offers", Severity: schema.Blocker, Certainty: observed, Checks: []string{"C02"}, Waivable: true,
		Doc:    "The architecture promises the version, the server does not have it. The account is prepared and copied ahead, and stops before its cutover.",
		Remedy: "Install the runtime on the transit server, or correct the architecture."},
	{Code: codeRuntimeBack, Title: "a removed runtime is in use again", Severity: schema.Warning, Certainty: observed,
		Doc:    "It was removed from the source to show who still needs it, and an account uses it again. It is put back, so that the account works; the account is not ready.",
		Remedy: "Switch the account to an offered version."},
	{Code: codeCapacity, Title: "the target is too small", Severity: schema.Blocker, Certainty: observed, Checks: []string{"C46", "C47"},
		Doc: "Accounts take their room in the order of their moves, in bytes and in inodes (files, directories, messages). " +
			"Those that do not fit any more are stopped; what was copied already counts.",
		Remedy: "Make room on the target, or move fewer accounts."},
	{Code: codeQuotaSum, Title: "the quotas together are more than the target's disk", Severity: schema.Info, Certainty: observed, Checks: []string{"C47"}, Waivable: true,
		Doc:    "Accounts may grow up to their quotas, and all of them together do not fit on the target. Usual on shared servers, where few use all they may.",
		Remedy: "Nothing, if you know that they do not grow; else ask for a larger transit server."},
	{Code: codeBudget, Title: "the cutover would take longer than its budget", Severity: schema.Blocker, Certainty: inferred, Checks: []string{"C18"}, Waivable: true,
		Doc:    "The predicted outage is longer than `downtime_budget` allows. The account is prepared and copied ahead, and then stops before its cutover.",
		Remedy: "Raise `downtime_budget`, or make the databases smaller."},
}
