package plan

import "github.com/stopover/stopover/schema"

// Findings about what is inside of an account.
const (
	codeLinks       = "link-outside"
	codeMentions    = "server-in-files"
	codeTaskCut     = "task-in-cut"
	codeTaskBoot    = "task-at-boot"
	codeManyFiles   = "files-many"
	codeQuotaFull   = "quota-nearly-full"
	codeCertificate = "certificate-expires"
	codeBackup      = "backup-old"
)

var contentKinds = []FindingKind{
	{Code: codeLinks, Title: "symbolic links lead out of the account", Severity: schema.Warning, Certainty: observed, Waivable: true, Drifts: true,
		Doc: "The link is copied as it is written, what it leads to is not: it may be missing on the target, or be something else. " +
			"Nothing is lost by moving, so that this is no blocker; a site that reads through such a link breaks, and its probes tell.",
		Remedy: "Put what is needed into the account's home, or make sure that the target has it in the same place."},
	{Code: codeMentions, Title: "files name the server", Severity: schema.Warning, Certainty: documented, Source: source2017, Checks: []string{"C27"}, Waivable: true, Drifts: true,
		Doc: "A file that looks like settings holds a host name or an address that is the server's own. It does not change when the account moves: " +
			"programs go on talking to the server that they have left, which redirects, then is reinstalled. The evidence names file and line.",
		Remedy: "Write a name that follows the account (its own domain, or localhost) instead."},
	{Code: codeTaskCut, Title: "tasks are due within the cut", Severity: schema.Warning, Certainty: inferred, Source: sourceTasks, Checks: []string{"C36"}, Waivable: true, Drifts: true,
		Doc: "Scheduled tasks do not run between the freeze and the switch. These run more often than the cut is predicted to take, so that at least one run of each is left out, " +
			"in both directions. A task that was running when the freeze came is stopped.",
		Remedy: "Make sure that a run that is left out is made up for by the next one, or choose a time when it does not matter."},
	{Code: codeTaskBoot, Title: "tasks run when the machine boots", Severity: schema.Warning, Certainty: inferred, Source: sourceTasks, Checks: []string{"C36"}, Waivable: true,
		Doc:    "The target is up already when the account arrives: what `@reboot` starts is not started there until it boots the next time.",
		Remedy: "Make a program of what has to run all the time, or start it by hand after each move."},
	{Code: codeManyFiles, Title: "the number of files lengthens the cut", Severity: schema.Warning, Certainty: observed, Source: sourceMeasured, Checks: []string{"C46"}, Waivable: true, Drifts: true,
		Doc: "Within the cut every name is looked at, by the copier and by the comparer on both sides, whatever has changed. " +
			"On a small busy machine that was about 16 µs for each file: 1.6 s for 100,000.",
		Remedy: "Delete what is not needed (caches, sessions, old logs) before the account moves, or allow for it in the window."},
	{Code: codeQuotaFull, Title: "the quota is nearly full", Severity: schema.Warning, Certainty: observed, Source: sourcePrices, Checks: []string{"C47"}, Waivable: true, Drifts: true,
		Doc: "Files and mail take 95 % of the quota or more. What the account writes on the target (caches, new logs, sessions) may be refused there; " +
			"web servers do not start on a full quota.",
		Remedy: "Make room, or raise the quota, before the account moves."},
	{Code: codeCertificate, Title: "a certificate expires on the way", Severity: schema.Warning, Certainty: documented, Source: sourceTLS, Checks: []string{"C34"}, Waivable: true, Dated: true,
		Doc: "It ends before the predicted end of the journey, or within 14 days. Who renews it has to do so while the account is between two servers: " +
			"automatic renewal needs that the names are reachable and point to where the account is. Where the provider renews it, this only informs.",
		Remedy: "Renew it before the account moves, and have the key at hand if you uploaded it."},
	{Code: codeBackup, Title: "there is no fresh backup", Severity: schema.Warning, Certainty: documented, Source: sourceBackups, Checks: []string{"C50"}, Waivable: true, Dated: true,
		Doc: "The newest backup of the account is older than a day, or there is none. Stopover keeps the source's copy until the reinstallation, " +
			"which is no backup: what is deleted by mistake is deleted there too.",
		Remedy: "Make a backup, and try to restore something of it, before the account moves."},
}
