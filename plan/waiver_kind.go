package plan

import "github.com/stopover/stopover/schema"

// Findings about waivers.
const (
	codeWaiverExpired = "waiver-expired"
	codeWaiverUnused  = "waiver-unused"
	codeWaiverUnknown = "waiver-unknown"
	codeWaiverRefused = "waiver-refused"
)

var waiverKinds = []FindingKind{
	{Code: codeWaiverExpired, Title: "a waiver has expired", Severity: schema.Warning, Certainty: observed, Dated: true,
		Doc:    "Its last day is over, in the time zone of the migration. The findings that it let pass count again.",
		Remedy: "Mend what the finding says, or decide again and write a later day."},
	{Code: codeWaiverUnused, Title: "a waiver matches nothing", Severity: schema.Info, Certainty: observed,
		Doc:    "There is no finding of its code for these accounts and objects now. It may be mended, or the waiver names the wrong thing and will not help when it is needed.",
		Remedy: "Remove the waiver if what it was for is mended."},
	{Code: codeWaiverUnknown, Title: "a waiver names a finding that does not exist", Severity: schema.Warning, Certainty: observed, Drifts: true,
		Doc:    "No finding, no check and no policy has this code. Whoever wrote the waiver believes that something passes.",
		Remedy: "Correct the code; docs/findings.md lists them."},
	{Code: codeWaiverRefused, Title: "a waiver names a finding that cannot be waived", Severity: schema.Warning, Certainty: observed,
		Doc:    "What guards the ownership of an account, or data that would be lost, cannot be waived. The finding counts as if the waiver were not there.",
		Remedy: "Do what the finding says, and remove the waiver."},
}
