package description

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Where the DNS of a domain is kept.
const (
	DNSExternal = "external"
	DNSProvider = "provider"
)

// Kinds of sites.
const (
	SiteStatic  = "static"  // files under home/Root
	SiteProgram = "program" // a program that listens on LISTEN_SOCKET
)

// RuntimePrefix in front of a runtime's name makes the first word of a command
// stand for the executable of the version that the account uses.
const RuntimePrefix = "runtime:"

// Account is what an account is: the content of account.json.
type Account struct {
	// Name is the account's name. It may be left out: the name of the
	// directory decides. A name that JSON cannot hold (invalid UTF-8) always is.
	Name string `json:"name,omitempty"`
	// ID stays the same when the account is renamed and goes where it goes. The
	// server gives one to an account that has none, in IDFile.
	ID           string       `json:"id,omitempty"`
	Created      time.Time    `json:"created,omitzero"`
	Quota        int64        `json:"quota,omitempty"` // bytes of files and mail together; 0: none
	UID          int          `json:"uid,omitempty"`   // 0: the account has no user of its own
	GID          int          `json:"gid,omitempty"`   // 0: the same number as UID
	Domains      []Domain     `json:"domains,omitempty"`
	Site         *Site        `json:"site,omitempty"`
	Programs     []Program    `json:"programs,omitempty"`
	Tasks        []Task       `json:"tasks,omitempty"`
	Mailboxes    []Mailbox    `json:"mailboxes,omitempty"`
	Databases    []Database   `json:"databases,omitempty"`
	RuntimesUsed []RuntimeUse `json:"runtimes_used,omitempty"` // the version chosen of each runtime, one per name
	// Certificates says more of the files in CertificatesDir; it need not name all.
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Domain is a name that the account answers for, by HTTP and by mail.
type Domain struct {
	Name string `json:"name"`
	DNS  string `json:"dns,omitempty"` // external (also when empty) or provider
}

// Site is what an account shows to the web.
type Site struct {
	Kind    string   `json:"kind"`              // static or program
	Root    string   `json:"root,omitempty"`    // static: folder in home; "www" when empty
	Runtime string   `json:"runtime,omitempty"` // program: name of the runtime it needs
	Command []string `json:"command,omitempty"` // program
	// Also are names that it answers to besides the account's own domains, by
	// HTTP alone: names of another account's domain.
	Also []string `json:"also,omitempty"`
}

// Certificate says who renews a certificate of the account.
type Certificate struct {
	File    string `json:"file"`              // in CertificatesDir
	Renewed string `json:"renewed,omitempty"` // provider, account or nobody; empty: nobody said
}

// Program is a long-running program of the account.
type Program struct {
	Name    string   `json:"name"`
	Runtime string   `json:"runtime,omitempty"`
	Command []string `json:"command"`
}

// Task is a program that runs on a schedule.
type Task struct {
	Name     string   `json:"name"`
	Schedule string   `json:"schedule"` // five cron fields, or @hourly, @every 10s …
	Runtime  string   `json:"runtime,omitempty"`
	Command  []string `json:"command"`
}

// Mailbox is a Maildir at mail/<domain>/<user>/.
type Mailbox struct {
	Domain string `json:"domain"`
	User   string `json:"user"`
	Quota  int64  `json:"quota,omitempty"` // bytes; 0: none
}

// Database is the SQLite file databases/<name>.sqlite.
type Database struct {
	Name string `json:"name"`
}

// RuntimeUse says which version of a runtime the account uses.
type RuntimeUse struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Group is the group that the account's programs run as; 0 without an own user.
func (a *Account) Group() int {
	if a.UID != 0 && a.GID == 0 {
		return a.UID
	}
	return a.GID
}

// Uses returns the version of a runtime that the account uses.
func (a *Account) Uses(runtime string) (version string, ok bool) {
	for _, u := range a.RuntimesUsed {
		if u.Name == runtime {
			return u.Version, true
		}
	}
	return "", false
}

// ParseSchedule reads the schedule of a task. Schedules without a time zone of
// their own (CRON_TZ=…) are in the zone of the times that Next is asked for.
func ParseSchedule(spec string) (cron.Schedule, error) {
	return cron.ParseStandard(spec)
}

// Validate returns everything that is wrong with the description, as one
// Problems error, or nil.
func (a *Account) Validate() error {
	var p problems
	p.check(len(a.Name) <= 255, "name", "is longer than 255 bytes")
	if a.ID != "" {
		p.element("id", a.ID)
	}
	p.check(a.Quota >= 0, "quota", "is negative")
	p.user("uid", a.UID)
	p.user("gid", a.GID)
	p.check(a.GID == 0 || a.UID != 0, "gid", "needs a uid beside it")
	seen := map[string]bool{}
	for i, d := range a.Domains {
		at := fmt.Sprintf("domains[%d]", i)
		p.domain(at+".name", d.Name)
		p.check(d.DNS == "" || d.DNS == DNSExternal || d.DNS == DNSProvider, at+".dns", "%q is neither %q nor %q", d.DNS, DNSExternal, DNSProvider)
		p.once(seen, at, d.Name)
	}
	a.validateSite(&p)
	a.validatePrograms(&p)
	a.validateData(&p)
	return p.err()
}

func (a *Account) validateSite(p *problems) {
	s := a.Site
	if s == nil {
		return
	}
	seen := map[string]bool{}
	for _, d := range a.Domains {
		seen[d.Name] = true
	}
	for i, name := range s.Also {
		at := fmt.Sprintf("site.also[%d]", i)
		p.domain(at, name)
		p.once(seen, at, name)
	}
	switch s.Kind {
	case SiteStatic:
		if s.Root != "" {
			p.local("site.root", s.Root)
		}
		p.check(len(s.Command) == 0 && s.Runtime == "", "site.command", "a static site runs nothing; leave out command and runtime")
	case SiteProgram:
		p.check(s.Root == "", "site.root", "is of use to static sites only")
		a.command(p, "site", s.Runtime, s.Command)
	default:
		p.check(false, "site.kind", "%q is neither %q nor %q", s.Kind, SiteStatic, SiteProgram)
	}
}

func (a *Account) validatePrograms(p *problems) {
	seen := map[string]bool{}
	for i, g := range a.Programs {
		at := fmt.Sprintf("programs[%d]", i)
		p.name(at+".name", g.Name)
		p.once(seen, at, g.Name)
		a.command(p, at, g.Runtime, g.Command)
	}
	seen = map[string]bool{}
	for i, t := range a.Tasks {
		at := fmt.Sprintf("tasks[%d]", i)
		p.name(at+".name", t.Name)
		p.once(seen, at, t.Name)
		_, err := ParseSchedule(t.Schedule)
		p.check(err == nil, at+".schedule", "%q is not a cron expression: %v", t.Schedule, err)
		a.command(p, at, t.Runtime, t.Command)
	}
	seen = map[string]bool{}
	for i, u := range a.RuntimesUsed {
		at := fmt.Sprintf("runtimes_used[%d]", i)
		p.element(at+".name", u.Name)
		p.element(at+".version", u.Version)
		p.once(seen, at, u.Name)
	}
}

func (a *Account) validateData(p *problems) {
	seen := map[string]bool{}
	for i, m := range a.Mailboxes {
		at := fmt.Sprintf("mailboxes[%d]", i)
		p.domain(at+".domain", m.Domain)
		if err := CheckUser(m.User); err != nil {
			p.check(false, at+".user", "%v", err)
		}
		p.check(m.Quota >= 0, at+".quota", "is negative")
		p.once(seen, at, m.User+"@"+m.Domain)
		ours := slices.ContainsFunc(a.Domains, func(d Domain) bool { return d.Name == m.Domain })
		p.check(ours, at+".domain", "%q is not one of the account's domains", m.Domain)
	}
	a.validateCertificates(p)
	seen = map[string]bool{}
	for i, d := range a.Databases {
		at := fmt.Sprintf("databases[%d]", i)
		p.element(at+".name", d.Name)
		p.once(seen, at, d.Name)
	}
}

func (a *Account) validateCertificates(p *problems) {
	seen := map[string]bool{}
	for i, c := range a.Certificates {
		at := fmt.Sprintf("certificates[%d]", i)
		p.element(at+".file", c.File)
		p.check(slices.Contains([]string{"", "provider", "account", "nobody"}, c.Renewed), at+".renewed",
			"%q is none of \"provider\", \"account\" and \"nobody\"", c.Renewed)
		p.once(seen, at, c.File)
	}
}

func (a *Account) command(p *problems, at, runtime string, command []string) {
	if runtime != "" {
		p.element(at+".runtime", runtime)
	}
	if len(command) == 0 || command[0] == "" {
		p.check(false, at+".command", "is empty")
		return
	}
	for i, word := range command {
		p.check(!strings.ContainsRune(word, 0), fmt.Sprintf("%s.command[%d]", at, i), "holds a NUL byte")
	}
	name, ok := strings.CutPrefix(command[0], RuntimePrefix)
	if !ok {
		return
	}
	p.element(at+".command[0]", name)
	p.check(runtime == "" || runtime == name, at+".runtime", "is %q but the command uses %q", runtime, name)
}
