package plan

import "github.com/stopover/stopover/schema"

// Findings about the trial of databases.
const (
	codeTrialFailed  = "trial-failed"
	codeTrialWarned  = "trial-warned"
	codeTrialAway    = "trial-unreachable"
	codeTrialUnable  = "trial-not-offered"
	codeTrialUnknown = "trial-unknown"
)

var trialKinds = []FindingKind{
	{Code: codeTrialFailed, Title: "a database could not be imported on the trial server", Severity: schema.Blocker, Certainty: observed, Source: sourcePerform, Checks: []string{"C17", "C20", "C21", "C22"}, Waivable: true,
		Doc: "It was imported under another name on the engine version of the trial server, and that failed: it would fail in the same way when the account moves, " +
			"with the account down. The evidence says what the engine said. As long as this stands the database is tried again by each run.",
		Remedy: "Mend the database on the source as the evidence says, and apply again."},
	{Code: codeTrialWarned, Title: "a database was imported on the trial server with warnings", Severity: schema.Warning, Certainty: observed, Source: sourcePerform, Checks: []string{"C17"}, Waivable: true, Drifts: true,
		Doc:    "It arrived, and the engine had something to say, as the evidence shows. The application may notice a difference.",
		Remedy: "Read the warnings, and look at what the application does with these objects."},
	{Code: codeTrialAway, Title: "the trial server does not answer", Severity: schema.Warning, Certainty: observed, Waivable: true, Drifts: true,
		Doc:    "Databases are not tried, and nothing waits for it: accounts are prepared without it.",
		Remedy: "Bring the trial server up and plan again, if the databases are to be tried."},
	{Code: codeTrialUnable, Title: "the trial server cannot try databases", Severity: schema.Warning, Certainty: observed, Waivable: true,
		Doc:    "Its provider cannot import a database under another name, look at it and drop it. Databases are not tried, and nothing waits for it.",
		Remedy: "Use a server whose provider can, or remove `trial` from the migration."},
	{Code: codeTrialUnknown, Title: "the trial server is not in the configuration", Severity: schema.Warning, Certainty: observed,
		Doc:    "`trial` names a server that no `server` block describes. Databases are not tried.",
		Remedy: "Correct the name, or add the server."},
}
