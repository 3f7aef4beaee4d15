package plan

import "github.com/stopover/stopover/schema"

// Findings about machines as a whole. Only servers whose providers tell of their
// system have them.
const (
	codeArchitecture = "not-architecture"
	codeSettings     = "settings-differ"
	codePHPLines     = "php-differs"
	codePackages     = "packages-missing"
	codeDaemons      = "daemon-missing"
	codeTimezone     = "timezone-differs"
	codeLocales      = "locale-missing"
	codeTools        = "tool-jump"
	codeReverse      = "reverse-dns"
	codeExtra        = "addresses-extra"
	codeQueue        = "mail-queue"
	codeQuotaOff     = "quota-off"
	codeMount        = "mount-small"
	codeUnknown      = "unknown-thing"
	codeUnowned      = "database-unowned"
	codeUserUnowned  = "database-user-unowned"
	codeTruncated    = "survey-truncated"
)

var machineKinds = []FindingKind{
	{Code: codeArchitecture, Title: "a server is not what its architecture declares", Severity: schema.Blocker, Certainty: observed, Source: source2020, Checks: []string{"C01", "C17"}, Waivable: true,
		Doc: "The operating system, or the major version of a database engine, of the server that accounts go to is not the one that the configuration's `architecture` declares. " +
			"What is promised about runtimes and engines rests on it, so that nothing moves there.",
		Remedy: "Have the server installed as agreed, or correct `architecture` in the configuration and look at the findings again."},
	{Code: codeSettings, Title: "a service is configured differently on the target", Severity: schema.Warning, Certainty: observed, Checks: []string{"C38"}, Waivable: true, Drifts: true,
		Doc: "Settings of the server itself are no part of an account and do not move with one. There is one finding for each service; the evidence says what is set here, what is set there, and where. " +
			"Where both are only defaults of different versions, it informs. A waiver with `object` names the service whose difference is wanted.",
		Remedy: "Set on the target what accounts rely on, as the evidence says, and have the service read it."},
	{Code: codePHPLines, Title: "PHP has other extensions or settings on the target", Severity: schema.Warning, Certainty: observed, Source: source2020, Checks: []string{"C10", "C38"}, Waivable: true, Drifts: true,
		Doc: "Compared with the same line of PHP on the target, or with the newest that it has. An extension that is missing stops only the pages that use it, which makes it easy to overlook. " +
			"What a project declares itself is in php-extension-missing.",
		Remedy: "Install the extensions and set what differs before the account moves."},
	{Code: codePackages, Title: "packages of the source are missing on the target", Severity: schema.Info, Certainty: observed, Checks: []string{"C38"}, Waivable: true, Drifts: true,
		Doc: "Programs and tools that are installed on one server and not on the other. Numbers in names are not compared (php8.2-fpm and php8.4-fpm are one package), " +
			"and libraries and kernels are left out: what needs a library says so itself.",
		Remedy: "Install what accounts use."},
	{Code: codeDaemons, Title: "services of the source are missing on the target", Severity: schema.Warning, Certainty: observed, Checks: []string{"C26", "C38"}, Waivable: true, Drifts: true,
		Doc:    "A service of the server itself runs on one server, and on the other there is none of its name, or it does not run. Accounts may lean on it without saying so in a file.",
		Remedy: "Install and start it on the target, or waive it if no account needs it."},
	{Code: codeTimezone, Title: "the target has another time zone", Severity: schema.Warning, Certainty: observed, Checks: []string{"C36", "C38"}, Waivable: true, Drifts: true,
		Doc:    "Crontabs, timers and logs follow the machine's time zone: tasks would run at other hours, and programs that ask the machine for its time would write other times into their data.",
		Remedy: "Set the same time zone on the target, then restart cron."},
	{Code: codeLocales, Title: "locales of the source are missing on the target", Severity: schema.Warning, Certainty: observed, Checks: []string{"C38"}, Waivable: true, Drifts: true,
		Doc:    "Programs that ask for a locale that is not there fall back to C: dates, sorting and the case of letters change. Databases of PostgreSQL that use one cannot be made at all; that is a finding of its own.",
		Remedy: "Generate the locales on the target."},
	{Code: codeTools, Title: "system tools make a major step", Severity: schema.Info, Certainty: observed, Checks: []string{"C52"}, Waivable: true, Drifts: true,
		Doc: "Tools that programs of accounts call by name (git, ImageMagick, GDAL, Ghostscript, ffmpeg and the like) have another major version on the target. " +
			"Options and output change with it. Who calls them cannot be seen from outside.",
		Remedy: "Tell the owners, and have what calls these tools tried on the target."},
	{Code: codeReverse, Title: "an outgoing address of the target has no reverse name", Severity: schema.Warning, Certainty: observed, Source: sourceRanges, Checks: []string{"C28"}, Waivable: true, Drifts: true,
		Doc:    "The source's outgoing addresses have names in the reverse zone and the target's have none. Mail servers refuse or mark mail from such addresses.",
		Remedy: "Have a PTR record made for the address, and the name lead back to it, before accounts that send mail move."},
	{Code: codeExtra, Title: "the server has addresses that no `serves` names", Severity: schema.Info, Certainty: observed, Checks: []string{"C29"}, Waivable: true,
		Doc: "Public addresses on the source's interfaces that the configuration does not list as service addresses. Only those in `serves` are taken over while the source is reinstalled; " +
			"whoever uses another one gets no answer. The address that you administer the server by may be one of them.",
		Remedy: "Add to `serves` what users reach, and ask the hosting company whether these addresses follow to transit."},
	{Code: codeQueue, Title: "mail waits in the queue of a server", Severity: schema.Info, Certainty: observed, Checks: []string{"C48"}, Waivable: true, Drifts: true,
		Doc:    "The mail server has accepted these messages and not delivered them yet. A queue is no part of an account and does not move; the reinstallation would delete it. Undeliverable mail is kept for days.",
		Remedy: "Have the queue delivered or bounced before the reinstallation, and look at what is stuck (mailq)."},
	{Code: codeQuotaOff, Title: "quotas are enforced here and not on the target", Severity: schema.Warning, Certainty: observed, Checks: []string{"C47"}, Waivable: true, Drifts: true,
		Doc:    "Accounts have quotas of the file system, and the file system that they go to has none switched on: any of them may fill the disk for all.",
		Remedy: "Mount the file system with user quotas on the target and set the accounts' limits there."},
	{Code: codeMount, Title: "a file system of the target is too small", Severity: schema.Blocker, Certainty: observed, Checks: []string{"C46", "C47"},
		Doc: "Homes, mail and databases lie on file systems of their own on the target, and what is still to come does not fit on one of them, though the server as a whole may have room. " +
			"Accounts take their room in the order of their moves; those that do not fit any more are stopped.",
		Remedy: "Enlarge the file system, or put what lies there on another one, or move fewer accounts."},
	{Code: codeUnknown, Title: "something on the source that the survey does not understand", Severity: schema.Warning, Certainty: observed, Checks: []string{"C39", "C49"}, Waivable: true,
		Doc: "A panel, virtual mailboxes in a database, containers, a VPN, mailing lists, calendars, a name server or a web mail: it may hold data or rules of accounts, and nothing of it is surveyed or copied. " +
			"The reinstallation deletes it, so that from the reinstall barrier on this is a blocker, as for what belongs to no account. A waiver with `object` says that somebody has seen to it, and a `residue` rule for its path does too.",
		Remedy: "Find out whether accounts use it and move it by hand or with its own tools; then write a waiver that says what was done."},
	{Code: codeUnowned, Title: "a database on the source belongs to no account", Severity: schema.Warning, Certainty: observed, Checks: []string{"C17", "C38"}, Waivable: true,
		Doc: "No rule of the layout gives it to an account, and no account's user alone has rights on it. It would not move, and the reinstallation deletes it: from the reinstall barrier on this is a blocker. " +
			"A waiver with `object` (engine/name) says that it may go, or that somebody has saved it.",
		Remedy: "Give an account's user, and nobody else, rights on it (or name it as `{account}_…`, as the layout's `databases` says), or dump it into a place that is carried, or drop it; then waive it."},
	{Code: codeUserUnowned, Title: "users of databases belong to no account", Severity: schema.Info, Certainty: observed, Checks: []string{"C23", "C38"}, Waivable: true, Drifts: true,
		Doc:    "Users for backups, monitoring or administration. They are not made on the target with the accounts, and what logs in as them stops there.",
		Remedy: "Make those that are needed on the target by hand, or give them to an account (`database_users` in the layout)."},
	{Code: codeTruncated, Title: "the survey's lists of an account are cut off", Severity: schema.Warning, Certainty: observed, Waivable: true, Drifts: true,
		Doc:    "A list was longer than a survey keeps. Nothing is missing from the copy, which does not use these lists; but what stands behind the cut was not checked.",
		Remedy: "Look at the account yourself for what the evidence names, or remove what makes the list long (caches, copies of projects)."},
}
