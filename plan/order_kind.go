package plan

import "github.com/stopover/stopover/schema"

// Findings about the order of accounts.
const (
	codeAfterUnknown = "after-unknown"
	codeAfterCycle   = "after-cycle"
	codeAfterWaits   = "after-waits"
	codeSiteOrder    = "site-order"
	codeSiteOwner    = "site-owner-missing"
)

var orderKinds = []FindingKind{
	{Code: codeAfterUnknown, Title: "`after` names an account that does not take part", Severity: schema.Blocker, Certainty: observed,
		Doc:    "The order that was asked for cannot be kept, and why it was asked for is not known here. The account is prepared and copied ahead, and does not move.",
		Remedy: "Correct the name, or remove it from `after`."},
	{Code: codeAfterCycle, Title: "accounts wait for each other", Severity: schema.Blocker, Certainty: observed,
		Doc:    "`after` leads from an account back to itself, so that none of them could be the first.",
		Remedy: "Remove one of the names from `after`."},
	{Code: codeAfterWaits, Title: "an account waits for one that does not move", Severity: schema.Warning, Certainty: observed, Waivable: true,
		Doc:    "The account in `after` is stopped, or is not part of this plan. The one that waits is prepared and copied ahead, and does not move.",
		Remedy: "Mend what stops the other account, or plan both."},
	{Code: codeSiteOrder, Title: "a site uses the domain of another account, and no order is given", Severity: schema.Warning, Certainty: documented, Source: sourceTerms, Checks: []string{"C35"}, Waivable: true,
		Doc: "Accounts of a server are not independent: a site of one may answer on a domain of another. Between the two moves the site and its domain " +
			"are on different servers, and each request goes the long way round. The order is yours to choose: usually the owner of the domain first, and the site right after it.",
		Remedy: "Write `after` in one of the two accounts, so that they move one right after the other."},
	{Code: codeSiteOwner, Title: "a site uses the domain of an account that does not move", Severity: schema.Warning, Certainty: documented, Source: sourceTerms, Checks: []string{"C35"}, Waivable: true,
		Doc: "The account that owns the domain is not part of this migration. When the server is reinstalled its domain goes with it, " +
			"and the site has no name to answer on.",
		Remedy: "Let the owner of the domain move as well, or move the domain to the account of the site."},
}
