package plan

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stopover/stopover/schema"
)

const findingsPage = "../docs/findings.md"

// TestFindingsPage: docs/findings.md is what the registry says.
func TestFindingsPage(t *testing.T) {
	want := findingsText(t)
	got, err := os.ReadFile(findingsPage)
	if err == nil && string(got) == want {
		return
	}
	if !*update {
		t.Fatal("docs/findings.md is not what the registry says; go test ./plan -run TestFindingsPage -update")
	}
	if err := os.WriteFile(findingsPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRegistry: each entry is complete, long enough for a person at night, and
// says nothing of a check that there is not.
func TestRegistry(t *testing.T) {
	checks := map[string]bool{}
	for _, c := range dossier {
		if checks[c.id] || c.id != fmt.Sprintf("C%02d", len(checks)+1) {
			t.Errorf("check %s is not in its place", c.id)
		}
		checks[c.id] = true
	}
	if len(checks) != 56 {
		t.Errorf("%d checks", len(checks))
	}
	covered := map[string]bool{}
	for _, k := range FindingKinds() {
		if !slices.Contains([]string{schema.Blocker, schema.Warning, schema.Info}, k.Severity) || !slices.Contains([]string{documented, observed, inferred}, k.Certainty) {
			t.Errorf("%s is a %s, %s", k.Code, k.Severity, k.Certainty)
		}
		if len(k.Title) < 15 || len(k.Title) > 80 || len(k.Doc) < 40 || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s says too little: %q, %q", k.Code, k.Title, k.Doc)
		}
		if k.Remedy == "" && k.Severity != schema.Info || k.Remedy != "" && !strings.HasSuffix(k.Remedy, ".") {
			t.Errorf("%s does not say what to do: %q", k.Code, k.Remedy)
		}
		if k.Certainty == documented && (k.Source == "" || k.Source == sourceOwn) {
			t.Errorf("%s is documented, and nobody says where", k.Code)
		}
		if !isWord(k.Code) || k.Dated && k.Severity == schema.Blocker || k.Source == sourceProtocol && k.Waivable {
			t.Errorf("%s cannot be like that: %+v", k.Code, k)
		}
		if k.Survey && k.Waivable == (k.Severity == schema.Blocker) {
			t.Errorf("%s is found by a survey: its warnings can be waived, its blockers cannot", k.Code)
		}
		for _, c := range k.Checks {
			covered[c] = true
			if !checks[c] {
				t.Errorf("%s implements %s, which is no check", k.Code, c)
			}
		}
		if c := KindOf(k.Code); c == nil || c.Title != k.Title {
			t.Errorf("%s is not found", k.Code)
		}
	}
	for _, c := range dossier {
		if !covered[c.id] && c.left == "" {
			t.Errorf("nothing covers %s, and nothing says why", c.id)
		}
	}
	for _, code := range []string{codeOwnerMissing, codeTwice, codeRecordUnknown, codeSealed, codeRecordBlocked, codeMachine, codeHeld, codeUnnamed, codeResidue, codeEngineRemoved, codeNameConflict, codeUID} {
		if kindOf(code).Waivable {
			t.Errorf("%s guards an account or its data and could be waived", code)
		}
	}
	if KindOf("no-such-code") != nil {
		t.Error("an unknown code is found")
	}
}

func findingsText(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	out.WriteString(`# Findings

What Stopover can find to be wrong, or worth knowing, and what to do about it. A
test writes this page from the registry of the program.

A **blocker** stops its account, and the barriers behind it; others go on. A
**warning** and an **info** stop nothing. *Documented*: the source says so in its
own words. *Observed*: seen on the servers, in what is remembered, or in the
configuration. *Inferred*: concluded from what was seen. Where the source is the
process, its own source and certainty count.

A **waiver** in the configuration lets a finding pass, with a reason, a name and
a last day. Not all can be waived: what guards the ownership of an account, or
data that would be lost, counts always. Findings of your own rules have the code
` + "`check:NAME` or `policy:NAME`" + ` and can be waived. What a provider's survey finds in an
account is marked here; its blockers cannot be waived.

A saved plan is stale when a finding in it became worse. Findings that are said
here to **drift** come and go by themselves, and those that **depend on the date**
are no part of what is compared: neither makes a saved plan stale.

`)
	for _, k := range FindingKinds() {
		fmt.Fprintf(&out, "## %s\n\n%s.\n\n", k.Code, upper(k.Title))
		source := k.Source
		if source == "" {
			source = sourceOwn
		}
		fmt.Fprintf(&out, "| severity | certainty | source | checks | can be waived |\n|---|---|---|---|---|\n| %s | %s | %s | %s | %s |\n\n",
			severityCell(&k), k.Certainty, source, orDash(strings.Join(k.Checks, ", ")), waivedCell(&k))
		fmt.Fprintf(&out, "%s\n", k.Doc)
		if k.Survey {
			out.WriteString("\nThe survey of a server finds it.\n")
		}
		if k.Drifts {
			out.WriteString("\nIt drifts: a saved plan is not stale because of it.\n")
		}
		if k.Dated {
			out.WriteString("\nIt depends on the date: it is no part of what is compared or digested.\n")
		}
		if k.Remedy != "" {
			fmt.Fprintf(&out, "\n**What to do.** %s\n", k.Remedy)
		}
		out.WriteString("\n")
	}
	out.WriteString(dossierText())
	return out.String()
}

func severityCell(k *FindingKind) string {
	if k.Code == codeUnnamed || k.Code == codeResidue {
		return k.Severity + ", blocker from the reinstall barrier on"
	}
	return k.Severity
}

func waivedCell(k *FindingKind) string {
	switch {
	case k.Waivable:
		return "yes"
	case k.Severity == schema.Info:
		return "no, nothing to let pass"
	}
	return "no"
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func upper(s string) string {
	if strings.HasPrefix(s, "`") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// dossierText is the table of the hosting platform's checks.
func dossierText() string {
	var out strings.Builder
	out.WriteString(`## The hosting platform's checks

The 56 checks that its documentation leads to before an account is moved, and
which finding covers each. "In part" says what is left to a person. The embedded
default (pocket servers) has sites, programs, tasks, mailboxes, SQLite databases
and runtimes; what it does not have it cannot be checked for.

| check | what it looks at | findings | what is left, and why |
|---|---|---|---|
`)
	for _, c := range dossier {
		var codes []string
		for _, k := range FindingKinds() {
			if slices.Contains(k.Checks, c.id) {
				codes = append(codes, k.Code)
			}
		}
		left := c.left
		if len(codes) > 0 && left != "" {
			left = "In part. " + left
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", c.id, c.what, orDash(strings.Join(codes, ", ")), left)
	}
	return out.String()
}

// dossier are the hosting platform's checks.
var dossier = []struct{ id, what, left string }{
	{"C01", "every account is on the architecture that is expected", "The machine is held against the one of the beginning; which architecture the source has is shown, not required: the configuration declares the target's only."},
	{"C02", "language versions exist on the target, forced replacements", ""},
	{"C03", "versions forced by environment variables and shebang lines", "Needs to read scripts and environments for a platform's own conventions; pocket servers start programs through the runtime that the account names, and nothing else."},
	{"C04", "paths of the platform's language versions in commands and settings", "Those paths exist on the platform only. The host names and addresses of the server are looked for, see server-in-files."},
	{"C05", "versioned binaries instead of wrappers", "Pocket servers have no wrappers."},
	{"C06", "virtualenvs that have to be built again", "Pocket servers have no Python; runtime-replaced reminds of it."},
	{"C07", "packages installed outside of a virtualenv", "The same."},
	{"C08", "native modules linked to libraries that change", "Needs the libraries of both architectures."},
	{"C09", "own PHP extensions", "Pocket servers have no PHP."},
	{"C10", "php.ini overrides", "Pocket servers have no PHP."},
	{"C11", "own Apache modules and directives", "Pocket servers have no Apache."},
	{"C12", ".htaccess files", "Pocket servers have no Apache."},
	{"C13", "sites that redirect transparently", "A kind of site that pocket servers do not have."},
	{"C14", "programs that bind to fixed addresses or ports", "Pocket servers give each program a socket of its own; there are no ports."},
	{"C15", "programs that read the HTTP logs", "Which format a program expects cannot be seen from outside; a probe may."},
	{"C16", "databases of engines that are gone", ""},
	{"C17", "engine versions, and the result of a trial", ""},
	{"C18", "size of the databases against the outage", ""},
	{"C19", "dependence on sql_mode, events, triggers", "A trial shows what does not arrive; what behaves differently afterwards only the application's own tests do."},
	{"C20", "index sizes, row formats, collations", "Where a database is tried on the new version; pocket servers have SQLite only."},
	{"C21", "removed types and extensions of PostgreSQL", "The same."},
	{"C22", "PostgreSQL extensions that only support can enable", "The same."},
	{"C23", "grants made outside of the panel", "Pocket servers have no database users."},
	{"C24", "database users that are restricted to a host", "Pocket servers have no database users."},
	{"C25", "clients of the databases outside of the account", "Nothing on the server knows them. Ask the owners; `notices` does."},
	{"C26", "services of the server that accounts use", "What belongs to no account is residue and needs a rule; whether transit has the same is for who hands it over."},
	{"C27", "hard-coded server names and addresses in files and DNS", ""},
	{"C28", "third parties that allow the outgoing address", "That it changes is said; who has to know is for the owners."},
	{"C29", "extra addresses of an account", "Pocket servers have none."},
	{"C30", "where names on external DNS point to, and the reroute", ""},
	{"C31", "MX records by the version of the process", ""},
	{"C32", "user-defined records in the provider's zones", "Records with the source's addresses are listed; from outside nobody can tell who made them."},
	{"C33", "mail and FTP clients without TLS", "Pocket servers have no TLS. Clients are not on the server."},
	{"C34", "certificates that end on the way, CAA", "Whether renewing works is not tried."},
	{"C35", "sites on another account's domain", ""},
	{"C36", "tasks within the outage, at boot, and outside of accounts", "A long task that is running when the freeze comes cannot be foreseen."},
	{"C37", "services that daemonise, ports, coupling by localhost", "Pocket servers keep every process of an account, daemons too, and have no ports."},
	{"C38", "server-wide settings", "What is on the server's disk is residue and needs a rule. Firewalls and limits of a platform are not on it."},
	{"C39", "containers, VPN, second factors", "Pocket servers have none."},
	{"C40", "pinned SSH host keys", "Where the provider has SSH; pocket servers do not."},
	{"C41", "tokens that are bound to an address", "That the address changes is said."},
	{"C42", "login shells that are not POSIX", "Nobody logs in to a pocket server, and no shell lines are built."},
	{"C43", "owners and modes of the home", "User ids are compared. Modes, owners and ACLs are copied and compared in each cutover."},
	{"C44", "state in /tmp", "Outside of accounts; what a program keeps there is not known before it runs."},
	{"C45", "own files where the platform keeps its own", "Pocket servers have no such place: what lies beside the home stops the account in the survey (account-stray)."},
	{"C46", "number of files, room on the target", ""},
	{"C47", "quota, and the size of all accounts", ""},
	{"C48", "outgoing mail queue", "No provider lists a queue. A message that was accepted is in a mailbox, or at its sender."},
	{"C49", "mailing lists, calendars and address books", "Pocket servers have none."},
	{"C50", "a fresh backup", "Where the provider can tell. That it can be restored has to be tried by a person."},
	{"C51", "applications with known trouble (Composer 1, old Drupal)", "Needs to know applications; a `check` of your own may look at what the survey finds."},
	{"C52", "jumps of system tools", "An architecture lists runtimes and engines, no tools."},
	{"C53", "probes recorded before, and repeated", ""},
	{"C54", "permissions", "What the provider cannot do with the credentials it has is said, with its reason."},
	{"C55", "nothing else changes at the same time", "Accounts that appear are said, and a saved plan is stale when domains, programs, tasks or databases changed; what owners do is for them to know."},
	{"C56", "deadline and free days", ""},
}
