package plan

import "github.com/stopover/stopover/schema"

// Findings about accounts that were renamed or closed, and the blocks that say so.
const (
	codeRenamed     = "account-renamed"
	codeMovedStill  = "moved-still-there"
	codeMovedRecord = "moved-with-record"
	codeMovedUnused = "moved-unused"
	codeRemovedHere = "removed-still-there"
)

var renameKinds = []FindingKind{
	{Code: codeRenamed, Title: "an account has another name than before", Severity: schema.Blocker, Certainty: observed, Source: sourceRename, Waivable: true,
		Doc: "It has the id of an account that this migration has seen under another name, which is on no server any more. What is remembered (baselines, approvals, trials) " +
			"is kept under the old name: without a `moved` block the account would begin anew. Renaming changes addresses, host names and databases on the hosting platform, so expect changes in applications too.",
		Remedy: "Write the `moved` block that the summary shows. A waiver lets it begin anew instead."},
	{Code: codeMovedStill, Title: "a `moved` block names an account that is still there", Severity: schema.Warning, Certainty: observed,
		Doc:    "The account was to have another name now, and a server has it under the old one. The block does nothing: what is remembered stays with the old name.",
		Remedy: "Remove the block, or correct the names in it."},
	{Code: codeMovedRecord, Title: "a renamed account has a record under its old name", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol,
		Doc: "Its move has begun: a server keeps an ownership record, or a copy, under the old name, and records do not follow a new name. " +
			"Going on would leave one account under two names.",
		Remedy: "Rename the account back until its journey is over, and remove the `moved` block."},
	{Code: codeMovedUnused, Title: "a `moved` block names an account that is nowhere", Severity: schema.Info, Certainty: observed,
		Doc:    "No server has an account of the new name. The block does nothing.",
		Remedy: "Correct the new name, or remove the block."},
	{Code: codeRemovedHere, Title: "a `removed` block names an account that is still there", Severity: schema.Warning, Certainty: observed,
		Doc:    "The block says that the account was closed, and a server has it. It takes part as if the block were not there: an account that exists is never left behind in silence.",
		Remedy: "Remove the block; write a `stays` block if the account is not to move."},
}
