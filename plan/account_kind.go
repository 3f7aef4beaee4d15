package plan

import "github.com/stopover/stopover/schema"

// Findings about accounts: who owns them, and who names them.
const (
	codeNoAccounts    = "no-accounts"
	codeNameUnusable  = "name-unusable"
	codeNotFound      = "account-not-found"
	codeTwice         = "account-twice"
	codeOwnerMissing  = "owner-missing"
	codeRecordUnknown = "record-unknown"
	codeRecordBlocked = "record-blocked"
	codePeerGone      = "peer-gone"
	codeUnnamed       = "account-unnamed"
	codeStaysNamed    = "stays-and-account"
	codeStaysMatched  = "stays-and-pattern"
	codeStaysAway     = "stays-on-transit"
	codeDropped       = "account-dropped"
	codeRetired       = "account-retired"
	codeStaysNowhere  = "stays-not-found"
	codeCreated       = "account-created"
	codeAccountClosed = "account-closed"
)

var accountKinds = []FindingKind{
	{Code: codeNoAccounts, Title: "no account takes part", Severity: schema.Warning, Certainty: observed,
		Doc: "Nothing that was found matches what the migration names. A plan without accounts has no steps, " +
			"which is easily taken for a journey that is over.",
		Remedy: "Look at `stopover inventory` and at the patterns of the migration."},
	{Code: codeNameUnusable, Title: "the name cannot be used", Severity: schema.Blocker, Certainty: observed,
		Doc: "Names of accounts are escaped in the names of steps and files: each byte that is no letter, digit, `_`, `.` or `-` takes three. " +
			"255 bytes fit, and this name is longer.",
		Remedy: "Rename the account before it is moved."},
	{Code: codeNotFound, Title: "an account was not found on any server", Severity: schema.Blocker, Certainty: observed,
		Doc:    "The configuration names it, and neither server has it. A rule that matches nothing is a mistake, not nothing to do.",
		Remedy: "Correct the name, write a `moved` block if it was renamed or a `removed` block if it was closed on purpose, or remove the account from the configuration."},
	{Code: codeTwice, Title: "an account is active in two places", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol,
		Doc: "This must never be: both places take visitors, mail and orders, and only one of them will be kept. " +
			"Nothing is done to this account until a person has looked.",
		Remedy: "Stop the account on the server whose epoch is lower, and look at its record with `stopover inventory`."},
	{Code: codeOwnerMissing, Title: "nobody holds the account", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol,
		Doc: "One server says that the account moved, the other one does not have it. Its data may be gone, or may be on a disk that is not there now. " +
			"Nobody guesses: the copy that is left could be old.",
		Remedy: "Run `stopover recover ACCOUNT`. If the other server is lost for good, see `stopover declare-lost`."},
	{Code: codeRecordUnknown, Title: "there is no record that could be believed", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol,
		Doc:    "On a reinstalled or unknown machine, no record means unknown, never active: the account may be in use somewhere else.",
		Remedy: "Run `stopover recover ACCOUNT`: it says whether the other server knows. Or exclude the account."},
	{Code: codeRecordBlocked, Title: "the account's record is fenced or unreadable", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol,
		Doc:    "The agent refuses to serve or move the account, and says why.",
		Remedy: "Run `stopover recover ACCOUNT`: it says what is wrong, what can be done, and what that means."},
	{Code: codePeerGone, Title: "an account waits for a server that is not there", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol,
		Doc: "An account that was moved asks the other server after every reboot whether it is still the owner. The finish phase lets it forget " +
			"that server, on that server's own word. Here the server is gone before it could be asked: the account is in use now, " +
			"and would stay closed after the next reboot.",
		Remedy: "Bring the server back until the journey is finished. If it is gone for good, say so with `stopover declare-lost`."},
	{Code: codeUnnamed, Title: "an account on the source is named by nothing", Severity: schema.Warning, Certainty: observed,
		Doc: "No `account`, no `accounts` and no `stays` block names it, so that it neither moves nor stays on purpose. " +
			"The reinstallation would delete it; from the reinstall barrier on this is a blocker.",
		Remedy: "Name it in `account` or `accounts`, or write a `stays` block for it."},
	{Code: codeStaysNamed, Title: "an account both moves and stays", Severity: schema.Blocker, Certainty: observed,
		Doc:    "An `account` block and a `stays` block name the same account. One says that it moves, the other that it is stopped for good.",
		Remedy: "Remove one of the two."},
	{Code: codeStaysMatched, Title: "a pattern matches an account that stays", Severity: schema.Info, Certainty: observed, Waivable: true,
		Doc:    "A `stays` block and the pattern of an `accounts` block name the same account. The `stays` block wins: the account does not move.",
		Remedy: "Add the account to `exclude` to say so."},
	{Code: codeStaysAway, Title: "an account that stays was moved to transit", Severity: schema.Blocker, Certainty: observed,
		Doc: "A disposition is for what is on the source, and this account is on transit already, in use. " +
			"Neither the reinstallation nor the end is reached like this.",
		Remedy: "Remove the `stays` block, roll the account back, and write the block again; or let it move."},
	{Code: codeDropped, Title: "an account that was moved is named by nothing any more", Severity: schema.Blocker, Certainty: observed,
		Doc: "This migration has moved it to transit, and its name or pattern is gone from the configuration. It would stay on the transit server for ever. " +
			"Neither the reinstallation nor the end is reached like this.",
		Remedy: "Name it again in `account` or `accounts`; roll it back first if it is not to move."},
	{Code: codeRetired, Title: "an account that is to move was retired", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol,
		Doc:    "A disposition has stopped it for good on the source, and the configuration names it as one that moves again.",
		Remedy: "Write its `stays` block again, or remove it from the configuration."},
	{Code: codeStaysNowhere, Title: "an account that stays was not found", Severity: schema.Warning, Certainty: observed, Waivable: true,
		Doc:    "A `stays` block names an account that the source does not have. It may be a mistake in the name, and the account that was meant would be deleted with the server.",
		Remedy: "Correct the name, or remove the block."},
	{Code: codeCreated, Title: "an account was created in the middle of the journey", Severity: schema.Warning, Certainty: observed, Source: sourceOwn, Checks: []string{"C55"}, Waivable: true,
		Doc: "It came to the source after the migration had begun, and a pattern of the configuration names it. It takes part like the others, " +
			"behind their barriers: if transit was asked for already, its size was not known then.",
		Remedy: "Nothing, if it is to move. Else exclude it, or write a `stays` block for it."},
	{Code: codeAccountClosed, Title: "an account that took part is gone", Severity: schema.Warning, Certainty: observed, Waivable: true,
		Doc: "Facts remember it, both servers answer, and neither has it. It was closed, or it was renamed on a server that gives accounts no id. " +
			"It takes part no more.",
		Remedy: "Write a `removed` block if it was closed on purpose, or a `moved` block if it has another name now."},
}
