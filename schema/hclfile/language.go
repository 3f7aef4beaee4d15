package hclfile

import (
	"github.com/stopover/stopover/schema"
)

// Language returns the language: the root, whose blocks are what may stand in
// a file. Each call returns a fresh copy.
func Language() *Block {
	root := &Block{Blocks: []*Block{
		stopoverBlock(),
		providerBlock(),
		serverBlock(),
		architectureBlock(),
		migrationBlock(),
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
		Blocks: []*Block{{
			Name:   "state",
			Label:  "kind",
			Labels: []string{"local"},
			Once:   true,
			Doc:    "Where the journal and the facts that no survey can find out are kept. `local`: a directory beside the configuration.",
			Attrs: []Attr{
				{Name: "path", Type: TypeString, Default: `".stopover"`, Example: `path = ".stopover"`,
					Doc: "The directory, relative to the configuration."},
			},
		}},
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
			{Name: "size_band", Type: TypeNumber, Default: "20", Example: `size_band = 20`,
				Doc: "By how many percent sizes may differ from those in a saved plan, from 0 to 1000."},
		},
		Blocks: []*Block{accountBlock(), accountsBlock(), staysBlock(), residueBlock(), approvalBlock()},
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
		},
		Blocks: []*Block{probeBlock()},
	}
}

func budgetAttr() Attr {
	return Attr{Name: "downtime_budget", Type: TypeDuration, Default: "no limit", Example: `downtime_budget = "10s"`,
		Doc: "How long the account may be down at most, in one cutover. A cutover that takes longer is undone."}
}

func accountsBlock() *Block {
	return &Block{
		Name: "accounts",
		Doc:  "Accounts that move, by pattern: `*` any characters, `?` one, `[a-z]` one of these, `[!a-z]` none of these, `\\` before a character that is meant literally, `\\xFF` one byte. In HCL strings a backslash is written twice.",
		Example: `accounts {
  include = ["cust-*"]
  exclude = ["cust-test"]
}`,
		Attrs: []Attr{
			{Name: "include", Type: TypeStrings, Required: true, Example: `include = ["cust-*"]`,
				Doc: "Patterns of names that move."},
			{Name: "exclude", Type: TypeStrings, Example: `exclude = ["cust-test"]`,
				Doc: "Patterns of names that this block leaves alone."},
			budgetAttr(),
		},
		Blocks: []*Block{probeBlock()},
	}
}

func probeBlock() *Block {
	return &Block{
		Name:  "probe",
		Label: "name",
		Doc:   "A functional check of the account. It runs before the move, which records what is normal, and after it, to compare.",
		Attrs: []Attr{
			{Name: "http", Type: TypeString, Required: true, Example: `http = "http://shop.example.org/"`,
				Doc: "The URL to ask for. The request goes to the server that is checked, whatever the DNS says."},
			{Name: "status", Type: TypeNumber, Default: "as before the move", Example: `status = 200`,
				Doc: "The status that the answer must have, from 100 to 599."},
			{Name: "contains", Type: TypeString, Example: `contains = "Cart"`,
				Doc: "Text that the answer must hold."},
		},
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
		Doc:   "The versioned rules of the journey: who acts, what is free, until when one can go back. Print a built-in one to start from.",
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
