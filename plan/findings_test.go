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
	if slices.Contains([]string{codeUnnamed, codeResidue, codeUnknown, codeUnowned}, k.Code) {
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
and runtimes; what it does not have it cannot be checked for: checks that say
"whole machines" need a server whose provider tells of the machine itself, as
Linux servers do. What only the hosting platform has (its panel, its API, its own
kinds of sites and engines) no Linux server shows.

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
	{"C01", "every account is on the architecture that is expected", "The machine is held against the one of the beginning, and the operating system and engines of the target against its architecture (whole machines). Which architecture the source has is shown, not required: the configuration declares the target's only."},
	{"C02", "language versions exist on the target, forced replacements", ""},
	{"C03", "versions forced by environment variables and shebang lines", "Whole machines; pocket servers start programs through the runtime that the account names. Variables that are set outside of files (in a panel) are not seen."},
	{"C04", "paths of the platform's language versions in commands and settings", "Whole machines. Whether a file that holds such a path is in use cannot be seen."},
	{"C05", "versioned binaries instead of wrappers", "Whole machines; pocket servers have no wrappers."},
	{"C06", "virtualenvs that have to be built again", "Whole machines; pocket servers have no Python, runtime-replaced reminds of it. Whether the project's list of packages is complete only building it shows."},
	{"C07", "packages installed outside of a virtualenv", "Whole machines. Packages that work with any version are counted too."},
	{"C08", "native modules linked to libraries that change", "Whole machines: by the names and the C library's versions that programs carry in their headers. What a program loads while it runs, and symbols of other libraries, are not seen."},
	{"C09", "own PHP extensions", "Whole machines; pocket servers have no PHP."},
	{"C10", "php.ini overrides", "Whole machines; pocket servers have no PHP."},
	{"C11", "own Apache modules and directives", "Whole machines; pocket servers have no Apache. Whether a directive works only Apache on the target tells: have it test its configuration there."},
	{"C12", ".htaccess files", "Whole machines; the same."},
	{"C13", "sites that redirect transparently", "A kind of site of the hosting platform's panel; neither pocket servers nor Linux servers have it. A web server that passes requests on is a reverse proxy already."},
	{"C14", "programs that bind to fixed addresses or ports", "Whole machines; pocket servers give each program a socket of its own, there are no ports. The platform's variables for address and port are its own."},
	{"C15", "programs that read the HTTP logs", "Whole machines: who reads the logs. Which format a program expects cannot be seen from outside; a probe may."},
	{"C16", "databases of engines that are gone", "Engines of whole machines that are not surveyed (MongoDB, CouchDB) are said as something unknown."},
	{"C17", "engine versions, and the result of a trial", ""},
	{"C18", "size of the databases against the outage", ""},
	{"C19", "dependence on sql_mode, events, triggers", "A trial shows what does not arrive; what behaves differently afterwards only the application's own tests do."},
	{"C20", "index sizes, row formats, collations", "Where the survey sees inside (whole machines), and where a database is tried on the new version; pocket servers have SQLite only."},
	{"C21", "removed types and extensions of PostgreSQL", "The same. A range partition over text is not told from any other."},
	{"C22", "PostgreSQL extensions that only support can enable", "The same. Whether support would enable an extension has to be asked."},
	{"C23", "grants made outside of the panel", "Whole machines; pocket servers have no database users. A Linux server has no panel that could reset grants: rights beyond the account are said instead."},
	{"C24", "database users that are restricted to a host", "Whole machines; pocket servers have no database users."},
	{"C25", "clients of the databases outside of the account", "Clients that were seen from elsewhere in the logs (whole machines). Which version or address they expect nobody on the server knows. Ask the owners; `notices` does."},
	{"C26", "services of the server that accounts use", "Whole machines, as far as files name the service or it is one of the server's own. What it holds is not copied."},
	{"C27", "hard-coded server names and addresses in files and DNS", ""},
	{"C28", "third parties that allow the outgoing address", "That it changes is said, and that mail comes from an address without a name. Who allows the old address is known to the owners only."},
	{"C29", "extra addresses of an account", "Whole machines; pocket servers have none. Whether an address follows to transit has to be asked of the hosting company."},
	{"C30", "where names on external DNS point to, and the reroute", ""},
	{"C31", "MX records by the version of the process", ""},
	{"C32", "user-defined records in the provider's zones", "Records with the source's addresses are listed; from outside nobody can tell who made them."},
	{"C33", "mail and FTP clients without TLS", "Whole machines, by the logs; pocket servers have no TLS. Clients that did not come while the logs were kept are not seen, and no version of TLS is."},
	{"C34", "certificates that end on the way, CAA", "Whether renewing works is not tried; who renews, and how, is said."},
	{"C35", "sites on another account's domain", ""},
	{"C36", "tasks within the outage, at boot, and outside of accounts", "A long task that is running when the freeze comes cannot be foreseen."},
	{"C37", "services that daemonise, ports, coupling by localhost", "Pocket servers keep every process of an account, daemons too, and have no ports. The platform's range of ports is its own."},
	{"C38", "server-wide settings", "On whole machines both servers are compared in what their survey tells. Firewalls and limits of a hosting platform in front of a server are on neither."},
	{"C39", "containers, VPN, second factors", "Whole machines, as something unknown; pocket servers have none. A second factor that is not set up on the server itself is not seen."},
	{"C40", "pinned SSH host keys", "Where the provider has SSH; pocket servers do not. Who has pinned a key is not known."},
	{"C41", "tokens that are bound to an address", "That the address changes is said. Tokens are the platform's, and not on a server."},
	{"C42", "login shells that are not POSIX", "Whole machines; nobody logs in to a pocket server, and Stopover builds no shell lines."},
	{"C43", "owners and modes of the home", "Ids, groups and the home are compared on whole machines. Modes, owners and ACLs below it are copied and compared in each cutover."},
	{"C44", "state in /tmp", "Whole machines: what files name. What a program keeps there without saying so is not known before it runs."},
	{"C45", "own files where the platform keeps its own", "The platform's own directory (~/admin); neither pocket servers nor Linux servers have it. What lies beside a home stops the account in the survey (account-stray), or is listed as outside of it."},
	{"C46", "number of files, room on the target", ""},
	{"C47", "quota, and the size of all accounts", ""},
	{"C48", "outgoing mail queue", "Whole machines, in number; whose mail it is only the queue itself says. Pocket servers have no queue."},
	{"C49", "mailing lists, calendars and address books", "Whole machines, as something unknown that has to be moved by hand; pocket servers have none."},
	{"C50", "a fresh backup", "Where the provider can tell. That it can be restored has to be tried by a person."},
	{"C51", "applications with known trouble (Composer 1, old Drupal)", "Whole machines, for Composer 1 and old Drupal; a `check` of your own may look at what the survey finds of others."},
	{"C52", "jumps of system tools", "Whole machines: which tools make a major step. Who calls them cannot be seen."},
	{"C53", "probes recorded before, and repeated", ""},
	{"C54", "permissions", "What the provider cannot do with the credentials it has is said, with its reason. The platform's permission to migrate is in its panel."},
	{"C55", "nothing else changes at the same time", "Accounts that appear are said, and a saved plan is stale when domains, programs, tasks or databases changed; what owners do is for them to know."},
	{"C56", "deadline and free days", ""},
}
