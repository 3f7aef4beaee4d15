package hclfile

import "github.com/stopover/stopover/schema"

// Blocks that say when, and what has to hold: window, dns, check, policy, and
// what a migration says of findings and of accounts that changed.

func windowBlock() *Block {
	return &Block{
		Name:  "window",
		Label: "name",
		Doc:   "When a cutover may begin. The name is an identifier: `window.NAME` refers to it.",
		Example: `window "night" {
  days     = ["mon", "tue", "wed", "thu"]
  from     = "01:00"
  to       = "05:00"
  timezone = "Europe/Paris"
  except   = ["2026-12-24"]
}`,
		Attrs: append(windowAttrs(), Attr{Name: "phases", Type: TypeStrings, Values: []string{schema.PhaseMigrate, schema.PhaseRelocate}, Default: "both", Example: `phases = ["migrate"]`,
			Doc: "Whose cutovers it binds: of `migrate`, the way out, or of `relocate`, the way home. An account whose windows all leave a phase out moves in it at any time, or within working hours where the process says so. A rollback waits for no window."}),
	}
}

func windowAttrs() []Attr {
	return []Attr{
		{Name: "days", Type: TypeStrings, Values: weekdays(), Default: "every day", Example: `days = ["mon", "tue"]`,
			Doc: "Days of the week on which it begins."},
		{Name: "dates", Type: TypeStrings, Example: `dates = ["2026-12-05"]`,
			Doc: "Further days on which it begins. Without `days`, it begins on these only."},
		{Name: "except", Type: TypeStrings, Example: `except = ["2026-12-24"]`, Doc: "Days on which it does not begin."},
		{Name: "from", Type: TypeTime, Required: true, Example: `from = "01:00"`, Doc: "When it opens."},
		{Name: "to", Type: TypeTime, Required: true, Example: `to = "05:00"`,
			Doc: "When it closes: on the next day, if that is not later than `from`. \"24:00\" is midnight."},
		{Name: "timezone", Type: TypeString, Required: true, Example: `timezone = "Europe/Paris"`,
			Doc: "Time zone of these times, by its name in the IANA database."},
	}
}

func weekdays() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }

func resolverBlock() *Block {
	return &Block{
		Name: "dns",
		Once: true,
		Doc:  "Where DNS is asked about the names of accounts. Without it, DNS is not looked at.",
		Example: `dns {
  servers              = ["192.0.2.53"]
  provider_nameservers = ["dns1.example.net", "dns2.example.net"]
}`,
		Attrs: []Attr{
			{Name: "servers", Type: TypeStrings, Example: `servers = ["192.0.2.53", "192.0.2.54:5353"]`, Doc: "Resolvers, by name or address, with or without a port."},
			{Name: "zone_file", Type: TypeString, Example: `zone_file = "zones/example.org.zone"`,
				Doc: "A file of records as in RFC 1035, relative to the configuration, that answers instead of servers; for tests and machines without a network."},
			{Name: "provider_nameservers", Type: TypeStrings, Example: `provider_nameservers = ["dns1.example.net"]`,
				Doc: "Name servers of the hosting company: what is on these, it changes by itself."},
			{Name: "timeout", Type: TypeDuration, Default: `"5s"`, Example: `timeout = "5s"`, Doc: "How long one question may take."},
		},
	}
}

func severities() []string { return []string{"blocker", "warning", "info"} }

func severityAttr() Attr {
	return Attr{Name: "severity", Type: TypeString, Values: severities(), Default: `"blocker"`, Example: `severity = "warning"`,
		Doc: "Of the finding when the condition is false."}
}

func messageAttr(example string) Attr {
	return Attr{Name: "message", Type: TypeTemplate, Required: true, Example: example,
		Doc: "What is said then: what is wrong, and what to do. It may refer to what the condition may refer to."}
}

func checkBlock() *Block {
	return &Block{
		Name:  "check",
		Label: "name",
		Doc:   "A rule of your own for what a survey found. It makes a finding where its condition is false. `server` and `inventory` are what was found, `account` is one account where `accounts` is set; variables, local values and functions that read no file work as everywhere.",
		Example: `check "few files" {
  severity  = "warning"
  accounts  = ["*"]
  condition = account.files.entries < 1000000
  message   = "${account.name} has ${account.files.entries} files."
  remedy    = "Delete its cache."
}`,
		Attrs: []Attr{
			severityAttr(),
			{Name: "accounts", Type: TypeStrings, Example: `accounts = ["cust-*"]`,
				Doc: "Patterns of accounts: the rule is applied to each of them. Without it, it is applied once."},
			{Name: "condition", Type: TypeCondition, Default: "required without `command`", Example: `condition = length(inventory.servers) > 0`, Doc: "What must be true."},
			checkMessage(),
			{Name: "command", Type: TypeStrings, Example: `command = ["./owned-by-us.sh", "--strict"]`,
				Doc: "A program and its arguments that decide instead of a condition: 0 is no finding; 1 is one, with the lines that it printed; anything else is a blocker that says that it could not tell. No shell is involved. A relative path with a slash is one from the configuration's directory. It runs there, where Stopover runs, after each survey, with `account` and `server` (without `accounts` the whole inventory) as JSON on its standard input, the account's name in `STOPOVER_ACCOUNT`, and of the environment no more than `PATH`, `HOME`, `LANG` and the like. A saved plan runs only commands that the configuration in the directory has as well."},
			{Name: "timeout", Type: TypeDuration, Default: `"30s"`, Example: `timeout = "2m"`, Doc: "How long the command may take for each account, at most an hour. Then it is ended, and could not tell."},
			{Name: "remedy", Type: TypeString, Example: `remedy = "Delete its cache."`, Doc: "What to do about it."},
		},
	}
}

// checkMessage is the message of a check, which one with a command has not.
func checkMessage() Attr {
	a := messageAttr(`message = "A server is missing."`)
	a.Required, a.Default = false, "required without `command`"
	return a
}

func policyBlock() *Block {
	return &Block{
		Name:  "policy",
		Label: "name",
		Doc:   "A rule of your own for plans. `plan` and `inventory` are what `stopover plan --json` and `stopover inventory --json` print; variables, local values and functions that read no file work as everywhere.",
		Example: `policy "no long outage" {
  condition = plan.downtime.max <= duration("5m")
  message   = "An account would be down for ${plan.downtime.max}."
}`,
		Attrs: []Attr{
			severityAttr(),
			{Name: "condition", Type: TypeCondition, Required: true, Example: `condition = length(plan.steps) < 1000`, Doc: "What must be true."},
			messageAttr(`message = "That is a lot at once."`),
		},
	}
}

func waiverBlock() *Block {
	return &Block{
		Name:    "waiver",
		Label:   "code",
		Repeats: true,
		Doc:     "Lets findings of a code pass, for a while. `stopover check` prints the code of each finding, and which ones cannot be waived.",
		Example: `waiver "CODE" {
  accounts = ["blog"]
  reason   = "the owner knows, and moves to another engine in May"
  by       = "ann@example.org"
  expires  = "2026-05-31"
}`,
		Attrs: []Attr{
			{Name: "accounts", Type: TypeStrings, Default: "all, and findings of no account", Example: `accounts = ["blog"]`, Doc: "Patterns of accounts whose findings pass."},
			{Name: "object", Type: TypeString, Default: "any", Example: `object = "mongodb/*"`, Doc: "Pattern of the objects that the findings are about."},
			reasonAttr(),
			{Name: "by", Type: TypeString, Required: true, Example: `by = "ann@example.org"`, Doc: "Who decided it."},
			{Name: "expires", Type: TypeDate, Required: true, Example: `expires = "2026-05-31"`, Doc: "The last day on which it counts."},
		},
	}
}

func movedBlock() *Block {
	return &Block{
		Name:    "moved",
		Doc:     "An account has another name now. What was done, approved and measured under the old name is taken over.",
		Example: "moved {\n  from = \"shop\"\n  to   = \"store\"\n}",
		Attrs: []Attr{
			{Name: "from", Type: TypeString, Required: true, Example: `from = "shop"`, Doc: "The old name."},
			{Name: "to", Type: TypeString, Required: true, Example: `to = "store"`, Doc: "The new name."},
		},
	}
}

func removedBlock() *Block {
	return &Block{
		Name:    "removed",
		Doc:     "An account was closed on purpose while the migration is under way: that it is gone stops nothing.",
		Example: "removed {\n  account = \"gone\"\n  reason  = \"closed by its owner\"\n}",
		Attrs: []Attr{
			{Name: "account", Type: TypeString, Required: true, Example: `account = "gone"`, Doc: "Its name."},
			{Name: "reason", Type: TypeString, Example: `reason = "closed by its owner"`, Doc: "Why, for whoever reads the report."},
		},
	}
}
