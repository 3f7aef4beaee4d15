package hclfile

import (
	"slices"

	"github.com/stopover/stopover/schema"
)

// Language returns the language: the root, whose blocks are what may stand in
// a file. Each call returns a fresh copy.
func Language() *Block {
	root := &Block{Blocks: []*Block{
		stopoverBlock(),
		variableBlock(),
		localsBlock(),
		providerBlock(),
		serverBlock(),
		architectureBlock(),
		windowBlock(),
		layoutBlock(),
		resolverBlock(),
		migrationBlock(),
		checkBlock(),
		policyBlock(),
		processBlock(),
	}}
	return root.compile()
}

func stopoverBlock() *Block {
	return &Block{
		Name: "stopover",
		Once: true,
		Doc:  "Settings of the tool for this directory.",
		Attrs: []Attr{
			{Name: "required_version", Type: TypeString, Example: `required_version = ">= 0.1"`,
				Doc: "Versions of Stopover that may read this configuration: `=`, `!=`, `>`, `>=`, `<`, `<=` or `~>` and a version, several with commas between them. When it is not met, nothing else is read."},
		},
		Blocks: []*Block{stateBlock()},
	}
}

func stateBlock() *Block {
	local, http := []string{"local"}, []string{"http"}
	return &Block{
		Name:   "state",
		Label:  "kind",
		Labels: []string{"local", "http"},
		Once:   true,
		Doc:    "Where the journal and the facts that no survey can find out are kept. `local`: a directory beside the configuration. `http`: a server that speaks the protocol of Terraform's `http` backend as GitLab does.",
		Example: `state "http" {
  address  = "https://gitlab.example.org/api/v4/projects/7/terraform/state/spring"
  username = "ci"
  password = env("GITLAB_TOKEN")
}`,
		Attrs: []Attr{
			{Name: "path", Labels: local, Type: TypeString, Default: `".stopover"`, Example: `path = ".stopover"`,
				Doc: "The directory, relative to the configuration."},
			{Name: "address", Labels: http, Type: TypeString, Example: `address = "https://state.example.org/spring"`, Doc: "URL of the state that holds the journal. It has to be there."},
			{Name: "run_address", Labels: http, Type: TypeString, Default: "`address` with `-run` behind it", Example: `run_address = "https://state.example.org/spring-run"`,
				Doc: "URL of a second state, whose lock a run holds and which holds its heartbeat."},
			{Name: "lock_address", Labels: http, Type: TypeString, Default: "`address` with `/lock` behind it", Example: `lock_address = "https://state.example.org/spring/lock"`,
				Doc: "There so that what GitLab shows can be pasted; it cannot be anything but its default."},
			{Name: "lock_method", Labels: http, Type: TypeString, Values: []string{"POST", "PUT", "LOCK"}, Default: `"POST"`, Example: `lock_method = "POST"`, Doc: "Method that takes a lock."},
			{Name: "unlock_address", Labels: http, Type: TypeString, Default: "`address` with `/lock` behind it", Example: `unlock_address = "https://state.example.org/spring/lock"`,
				Doc: "As `lock_address`."},
			{Name: "unlock_method", Labels: http, Type: TypeString, Values: []string{"DELETE", "POST", "PUT", "UNLOCK"}, Default: `"DELETE"`, Example: `unlock_method = "DELETE"`, Doc: "Method that gives a lock back."},
			{Name: "username", Labels: http, Type: TypeString, Example: `username = "ci"`, Doc: "Name for basic authentication."},
			{Name: "password", Labels: http, Type: TypeString, Example: `password = env("GITLAB_TOKEN")`, Doc: "Password for it: `env(\"NAME\")`, or a sensitive variable that the environment gives."},
			{Name: "retry_max", Labels: http, Type: TypeNumber, Default: "4", Example: `retry_max = 2`, Doc: "How often a request that failed is repeated, from 0 to 100."},
			{Name: "retry_wait_min", Labels: http, Type: TypeDuration, Default: `"1s"`, Example: `retry_wait_min = "1s"`, Doc: "How long to wait before that; each time longer."},
			{Name: "skip_cert_verification", Labels: http, Type: TypeBool, Default: "false", Example: `skip_cert_verification = true`, Doc: "Believe any certificate. Anybody on the way can read and change the state then."},
		},
	}
}

func providerBlock() *Block {
	return &Block{
		Name:    "provider",
		Label:   "kind",
		Options: true,
		Doc:     "Options that all servers of a kind share, unless a server says otherwise.",
	}
}

func serverBlock() *Block {
	return &Block{
		Name:    "server",
		Label:   "name",
		Options: true,
		Doc:     "A machine that accounts live on. The name is an identifier: `server.NAME` refers to it. The options of its provider stand beside these arguments.",
		Example: `server "client" {
  address = "servers/client"
  serves  = ["127.0.10.1"]
}`,
		Attrs: []Attr{
			{Name: "provider", Type: TypeString, Default: `"local"`, Example: `provider = "local"`,
				Doc: "Kind of server: how Stopover speaks to it."},
			{Name: "address", Type: TypeString, Example: `address = "10.0.0.10"`,
				Doc: "How Stopover reaches the server, at all times. For the provider `local` the directory of the pocket server, relative to the configuration. May be missing until a transit server is handed over."},
			{Name: "serves", Type: TypeStrings, Example: `serves = ["192.0.2.10"]`,
				Doc: "Addresses that users reach, with or without a port. They move when the server is rerouted, so no two servers may have the same."},
			{Name: "price", Type: TypeString, Example: `price = "389 EUR/month"`,
				Doc: "What the server costs: an amount, a currency, and `/day`, `/month` or `/year`."},
		},
	}
}

func architectureBlock() *Block {
	return &Block{
		Name:  "architecture",
		Label: "name",
		Doc:   "What servers offer after the journey: operating system, language runtimes, database engines.",
		Example: `architecture "2024" {
  os = "debian-12"
  runtime "php"   { versions = ["8.1", "8.2"] }
  database "sqlite" { version = "3.45" }
  removed = ["mongodb"]
}`,
		Attrs: []Attr{
			{Name: "os", Type: TypeString, Example: `os = "debian-12"`, Doc: "The operating system, as servers report it."},
			{Name: "removed", Type: TypeStrings, Example: `removed = ["mongodb"]`,
				Doc: "Database engines that no longer exist. An account that uses one is a blocker."},
		},
		Blocks: []*Block{
			{
				Name: "runtime", Label: "name", Doc: "A language runtime that is offered.",
				Attrs: []Attr{{Name: "versions", Type: TypeStrings, Required: true, Example: `versions = ["8.1", "8.2"]`,
					Doc: "The versions that are offered, as strings: the number 8.10 would be 8.1."}},
			},
			{
				Name: "database", Label: "engine", Doc: "A database engine that is offered.",
				Attrs: []Attr{{Name: "version", Type: TypeString, Required: true, Example: `version = "10.11"`,
					Doc: "The version that is offered."}},
			},
		},
	}
}

func migrationBlock() *Block {
	return &Block{
		Name:  "migration",
		Label: "name",
		Once:  true,
		Doc:   "One journey of accounts: from the source server over the transit server, back to the reinstalled source. A directory has one.",
		Example: `migration "spring" {
  process = "self-managed"
  source  = server.client
  transit = server.transit

  accounts { include = ["*"] }
}`,
		Attrs: []Attr{
			{Name: "process", Type: TypeString, Required: true, Example: `process = "self-managed"`,
				Doc: "Name of a process: a built-in one, or a `process` block of this configuration."},
			{Name: "architecture", Type: TypeString, Example: `architecture = "2024"`,
				Doc: "Name of the `architecture` that accounts arrive on. Without one they are only compared with what the servers report."},
			{Name: "source", Type: TypeServer, Required: true, Example: `source = server.client`,
				Doc: "The server that accounts leave, and come back to once it is reinstalled."},
			{Name: "transit", Type: TypeServer, Required: true, Example: `transit = server.transit`,
				Doc: "The server that accounts stop over on; their destination when the process has no way home."},
			{Name: "finish_by", Type: TypeDate, Example: `finish_by = "2026-12-20"`,
				Doc: "The day by which all accounts have to be home. A plan that ends later says so."},
			{Name: "trial", Type: TypeServer, Example: `trial = server.trial`,
				Doc: "A server with the new versions on which databases are tried before anything moves."},
			{Name: "timezone", Type: TypeString, Default: `"UTC"`, Example: `timezone = "Europe/Paris"`,
				Doc: "Time zone of the days of this migration, by its name in the IANA database."},
			{Name: "forced_on", Type: TypeDate, Example: `forced_on = "2027-01-31"`,
				Doc: "The day on which the hosting company migrates by itself, whether you are ready or not."},
			{Name: "handover_on", Type: TypeDate, Example: `handover_on = "2026-11-02"`,
				Doc: "The day for which the transit server was promised. Without it, dates after the hand-over are counted from it."},
			{Name: "window", Type: TypeWindow, Example: `window = window.night`, Doc: "When cutovers may begin, of accounts that do not say."},
			{Name: "windows", Type: TypeWindows, Example: `windows = [window.night, window.weekend]`, Doc: "The same, with several windows."},
			{Name: "size_band", Type: TypeNumber, Default: "20", Example: `size_band = 20`,
				Doc: "By how many percent sizes may differ from those in a saved plan, from 0 to 1000."},
		},
		Blocks: []*Block{accountBlock(), accountsBlock(), staysBlock(), residueBlock(), approvalBlock(), movedBlock(), removedBlock(), waiverBlock()},
	}
}

func accountBlock() *Block {
	return &Block{
		Name:  "account",
		Label: "name",
		Doc:   "An account that moves, by its name as found on the server. It beats `accounts`.",
		Example: `account "shop" {
  after           = ["blog"]
  downtime_budget = "10s"

  probe "home" {
    http     = "http://shop.example.org/"
    contains = "Cart"
  }
}`,
		Attrs: []Attr{
			{Name: "after", Type: TypeStrings, Example: `after = ["blog"]`,
				Doc: "Names of accounts that move before this one."},
			budgetAttr(),
			exceedAttr(),
			windowAttr(),
			severalWindowsAttr(),
			{Name: "contact", Type: TypeString, Example: `contact = "ann@example.org"`, Doc: "Who is told of the outage, in notices."},
			noticeLanguageAttr(),
		},
		Blocks: []*Block{probeBlock()},
	}
}

func budgetAttr() Attr {
	return Attr{Name: "downtime_budget", Type: TypeDuration, Default: "no limit", Example: `downtime_budget = "10s"`,
		Doc: "How long the account may be down at most, in one cutover. A cutover that takes longer is undone."}
}

func exceedAttr() Attr {
	return Attr{Name: "on_exceed", Type: TypeString, Values: []string{"refuse", "postpone"}, Default: `"refuse"`, Example: `on_exceed = "postpone"`,
		Doc: "What becomes of a cutover that is predicted to take longer than `downtime_budget`."}
}

func windowAttr() Attr {
	return Attr{Name: "window", Type: TypeWindow, Default: "the migration's", Example: `window = window.night`, Doc: "When its cutover may begin."}
}

func severalWindowsAttr() Attr {
	return Attr{Name: "windows", Type: TypeWindows, Default: "the migration's", Example: `windows = [window.night, window.weekend]`, Doc: "The same, with several windows."}
}

func noticeLanguageAttr() Attr {
	return Attr{Name: "language", Type: TypeString, Values: []string{"en", "fr"}, Default: `"en"`, Example: `language = "fr"`, Doc: "Language of notices."}
}

func accountsBlock() *Block {
	return &Block{
		Name: "accounts",
		Doc:  "Accounts that move, from a list or by pattern: `*` any characters, `?` one, `[a-z]` one of these, `[!a-z]` none of these, `\\` before a character that is meant literally, `\\xFF` one byte. In HCL strings a backslash is written twice.",
		Example: `accounts {
  include = ["cust-*"]
  exclude = ["cust-test"]
}`,
		Attrs: []Attr{
			{Name: "from", Type: TypeRows, Example: `from = [{ name = "shop" }, { name = "blog", contact = "ann@example.org" }]`,
				Doc: "A list of accounts, mostly `csvdecode(file(\"accounts.csv\"))`: each has a `name`, and may have the arguments of `account` as columns. An empty cell is not set; a list in a cell has `;` between its elements; windows are named by their name. An `account` block of the same name beats it."},
			{Name: "include", Type: TypeStrings, Example: `include = ["cust-*"]`,
				Doc: "Patterns of names that move. This or `from` has to be there."},
			{Name: "exclude", Type: TypeStrings, Example: `exclude = ["cust-test"]`,
				Doc: "Patterns of names that this block leaves alone."},
			budgetAttr(),
			exceedAttr(),
			windowAttr(),
			severalWindowsAttr(),
			noticeLanguageAttr(),
		},
		Blocks: []*Block{probeBlock()},
	}
}

func staysBlock() *Block {
	return &Block{
		Name:    "stays",
		Label:   "account",
		Doc:     "What becomes of an account that does not move. Without one, an account that nothing names stops the reinstallation.",
		Example: "stays \"cust-test\" {\n  action = \"archive\"\n  reason = \"closed in March\"\n}",
		Attrs: []Attr{
			{Name: "action", Type: TypeString, Required: true, Values: []string{"archive", "retire", "elsewhere"}, Example: `action = "archive"`,
				Doc: "`archive`: kept as an archive and stopped. `retire`: stopped, nothing is kept. `elsewhere`: it was moved by other means, and is stopped here."},
			reasonAttr(),
		},
	}
}

func reasonAttr() Attr {
	return Attr{Name: "reason", Type: TypeString, Required: true, Example: `reason = "closed in March"`,
		Doc: "Why, for whoever reads the plan and the report."}
}

func residueBlock() *Block {
	return &Block{
		Name:    "residue",
		Label:   "path",
		Doc:     "What becomes of something on the source that no account owns and that the reinstallation would destroy. The path is as the inventory lists it.",
		Example: "residue \"/etc/cron.d/legacy\" {\n  action = \"carry\"\n  reason = \"monitoring\"\n}",
		Attrs: []Attr{
			{Name: "action", Type: TypeString, Required: true, Values: []string{"carry", "archive", "discard"}, Example: `action = "carry"`,
				Doc: "`carry`: put back after the reinstallation. `archive`: kept as an archive. `discard`: lost, on purpose."},
			reasonAttr(),
		},
	}
}

func approvalBlock() *Block {
	return &Block{
		Name:    "approval",
		Label:   "gate",
		Repeats: true,
		Doc:     "Closes a gate in the configuration, for instance by code review, instead of by `stopover approve`. An approval counts for the evidence that it names and for no other; one gate may have several.",
		Example: "approval \"verify.accept[blog]\" {\n  by       = \"ann@example.org\"\n  evidence = \"sha256:9f2c41\"\n}",
		Attrs: []Attr{
			{Name: "by", Type: TypeString, Required: true, Example: `by = "ann@example.org"`, Doc: "Who approves."},
			{Name: "evidence", Type: TypeString, Required: true, Example: `evidence = "sha256:9f2c41"`,
				Doc: "Digest of what was looked at; `stopover status` prints it for each open gate."},
			{Name: "when", Type: TypeString, Example: `when = "2026-04-02T09:30:00+02:00"`,
				Doc: "When it was approved, as in RFC 3339."},
			{Name: "note", Type: TypeString, Example: `note = "cart and checkout tried"`, Doc: "Anything worth keeping."},
		},
	}
}

func processBlock() *Block {
	return &Block{
		Name:  "process",
		Label: "name",
		Doc:   "The versioned rules of the journey: who acts, what is free, until when one can go back. `stopover init --print-process NAME` prints a built-in one to start from.",
		Attrs: []Attr{
			{Name: "title", Type: TypeString, Required: true, Example: `title = "Our own rules"`, Doc: "What people read."},
			{Name: "source", Type: TypeString, Required: true, Example: `source = "contract of 2026"`, Doc: "Where the rules come from."},
			{Name: "certainty", Type: TypeString, Required: true, Values: []string{"documented", "inferred", "own"}, Example: `certainty = "own"`,
				Doc: "How sure they are."},
		},
		Blocks: append([]*Block{phaseBlock()}, ruleBlocks()...),
	}
}

// ruleBlocks are the blocks of a process beside its phases.
func ruleBlocks() []*Block {
	return []*Block{
		{
			Name: "barrier", Doc: "What must hold of all accounts before a phase begins.",
			Attrs: []Attr{
				{Name: "before", Type: TypeString, Required: true, Values: schema.Phases(), Example: `before = "reinstall"`, Doc: "The phase."},
				{Name: "needs", Type: TypeString, Required: true, Values: []string{"prepared", "accepted_or_retired", "transit_empty"}, Example: `needs = "accepted_or_retired"`,
					Doc: "`prepared`: every account is ready. `accepted_or_retired`: every account was accepted where it lives now, or its disposition was carried out. `transit_empty`: nothing of this migration is active on transit."},
			},
		},
		{
			Name: "rollback", Once: true, Doc: "Until when an account may go back to the source. Empty: never promised.",
			Attrs: []Attr{
				{Name: "until", Type: TypeString, Values: schema.Phases(), Example: `until = "reinstall"`, Doc: "The phase whose begin ends it."},
				{Name: "days", Type: TypeNumber, Default: "no limit", Example: `days = 7`, Doc: "And for how many days from the account's migration."},
			},
		},
		{
			Name: "free", Once: true, Doc: "The free period of the transit server. Empty: no clock runs.",
			Attrs: []Attr{
				{Name: "days", Type: TypeNumber, Example: `days = 14`, Doc: "How many days are free."},
				{Name: "starts", Type: TypeString, Values: []string{"request", "handover"}, Example: `starts = "handover"`, Doc: "What starts the clock."},
				{Name: "stops", Type: TypeString, Values: []string{"migrated", "home"}, Example: `stops = "migrated"`, Doc: "What stops it: all accounts on transit, or all at home."},
				{Name: "divisor", Type: TypeString, Values: []string{"30", "month", "365"}, Example: `divisor = "30"`, Doc: "What a day's price is made of: a thirtieth of the month's, its share of the very month, or a 365th of the year's."},
			},
		},
		{
			Name: "relocation", Once: true, Doc: "Who moves accounts back.",
			Attrs: []Attr{
				{Name: "by", Type: TypeString, Values: actors(), Example: `by = "support"`, Doc: "Who does it."},
				{Name: "free_days", Type: TypeNumber, Example: `free_days = 7`, Doc: "Further free days for it."},
			},
		},
		{
			Name: "downtime", Once: true, Doc: "Rules of thumb for estimates, used until something was measured.",
			Attrs: []Attr{
				{Name: "per_gb", Type: TypeDuration, Example: `per_gb = "1m"`, Doc: "For each GB (10^9 bytes) of an account's databases."},
				{Name: "base", Type: TypeDuration, Example: `base = "10s"`, Doc: "For each account, besides."},
				{Name: "reroute", Type: TypeDuration, Example: `reroute = "1m"`, Doc: "While service addresses are rerouted."},
			},
		},
		{
			Name: "working", Once: true, Doc: "Working hours, for phases with `hours = \"working\"`. Without it: Monday to Friday, 09:00 to 18:00, UTC.",
			Attrs: workingAttrs(),
		},
		{
			Name: "dns", Label: "rule", Doc: "A rule about DNS records. They are reported, never changed.",
			Attrs: []Attr{
				{Name: "action", Type: TypeString, Required: true, Values: []string{"keep", "report", "remove_before_migrate", "change_before_finish"}, Example: `action = "keep"`,
					Doc: "What its owner should do."},
				{Name: "record", Type: TypeString, Example: `record = "MX 5"`, Doc: "Which records."},
				{Name: "doc", Type: TypeString, Example: `doc = "Keep both."`, Doc: "What people read."},
			},
		},
	}
}

// workingAttrs are those of a window, without days beside the week's.
func workingAttrs() []Attr {
	return slices.DeleteFunc(windowAttrs(), func(a Attr) bool { return a.Name == "dates" })
}

func actors() []string { return []string{"customer", "support", "operator"} }

func phaseBlock() *Block {
	return &Block{
		Name:   "phase",
		Label:  "name",
		Labels: schema.Phases(),
		Doc:    "A phase of the journey. Phases stand in the order of the journey; one that is left out does not take place.",
		Attrs: []Attr{
			{Name: "by", Type: TypeString, Required: true, Values: actors(), Example: `by = "support"`,
				Doc: "Who does it. What the servers' providers can do runs by itself all the same, unless `gate` says otherwise."},
			{Name: "gate", Type: TypeString, Values: []string{"always"}, Example: `gate = "always"`,
				Doc: "`always`: somebody has to say that it is done, even where Stopover could do it."},
			{Name: "lasts", Type: TypeDurations, Example: `lasts = ["2h", "8h"]`, Doc: "How long it takes, from and to."},
			{Name: "parallel", Type: TypeNumber, Default: "1", Example: `parallel = 1`, Doc: "How many accounts move at once, from 1 to 1000; in `migrate` and `relocate`."},
			{Name: "hours", Type: TypeString, Values: []string{"any", "working"}, Default: `"any"`, Example: `hours = "working"`, Doc: "When it can take place."},
			{Name: "removes_runtimes", Type: TypeBool, Default: "false", Example: `removes_runtimes = true`,
				Doc: "Runtimes that vanish are removed from the source; in `request`."},
			{Name: "precopy", Type: TypeStrings, Values: []string{"files", "mail", "databases"}, Example: `precopy = ["files", "mail"]`,
				Doc: "What is copied while accounts stay in use; in `install` and `reinstall`."},
			{Name: "doc", Type: TypeString, Example: `doc = "Support sets it up."`, Doc: "What people read."},
		},
	}
}
