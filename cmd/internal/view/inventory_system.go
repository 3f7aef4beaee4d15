package view

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// system is what a whole machine is, in a few lines: what it does not understand
// and what belongs to nobody before what is as anywhere.
func (v *View) system(s *schema.FoundServer) {
	y := s.System
	if y == nil || s.Presence != schema.Present {
		return
	}
	if line := machineLine(y); line != "" {
		v.item("  ", "", nil, line, v.style.faint)
	}
	var rows [][]string
	for i := range y.Engines {
		rows = append(rows, []string{clean(y.Engines[i].Name + " " + y.Engines[i].Version), engineLine(s, &y.Engines[i])})
	}
	v.table("  ", rows, []column{keep})
	for i, u := range y.Unknown {
		if most := v.most(mostUnowned); i == most && len(y.Unknown) > most+1 {
			v.more(len(y.Unknown) - i)
			break
		}
		text := clean(u.Kind) + " " + named(u.Name)
		if u.Path != "" && u.Path != u.Name {
			text += " (" + whole(u.Path) + ")"
		}
		v.item("  ", "not understood:", v.style.red, text+": "+clean(u.Why), nil)
	}
	v.nobodys(y)
	if y.Queue > 0 {
		v.item("  ", "waiting:", v.style.yellow, plural(int(y.Queue), "message")+" in the mail queue", nil)
	}
	if n := findingsOf(s); n > 0 {
		v.item("  ", "", nil, plural(n, "finding")+" of this survey; stopover check shows them", v.style.yellow)
	}
	if v.verbose {
		v.systemDetail(s)
	}
}

// nobodys are the databases and their users that belong to no account.
func (v *View) nobodys(y *schema.System) {
	var list []string
	for _, e := range y.Engines {
		for _, d := range e.Databases {
			list = append(list, "database "+clean(e.Name)+"/"+named(d.Name)+", "+size(d.Bytes))
		}
		for _, u := range e.Users {
			list = append(list, "user "+clean(e.Name)+"/"+databaseUser(u))
		}
	}
	for i, text := range list {
		if most := v.most(mostUnowned); i == most && len(list) > most+1 {
			v.more(len(list) - i)
			return
		}
		v.item("  ", "owned by no account:", v.style.yellow, text, nil)
	}
}

func databaseUser(u schema.DatabaseUser) string {
	if u.Host == "" {
		return named(u.Name)
	}
	return named(u.Name + "@" + u.Host)
}

func findingsOf(s *schema.FoundServer) int {
	n := len(s.Findings)
	for _, a := range s.Accounts {
		n += len(a.Findings)
	}
	return n
}

func machineLine(y *schema.System) string {
	var parts []string
	add := func(label, s string) {
		if s != "" {
			parts = append(parts, label+clean(s))
		}
	}
	if release := y.Release; y.Version == "" || strings.Contains(release, y.Version) {
		add("", release)
	} else {
		add("", strings.TrimSpace(release+" "+y.Version))
	}
	add("kernel ", y.Kernel)
	add("", y.Arch)
	add("", y.Libc)
	add("init ", y.Init)
	if y.CPUs > 0 {
		parts = append(parts, plural(y.CPUs, "CPU"))
	}
	if y.Memory > 0 {
		parts = append(parts, size(y.Memory)+" of memory")
	}
	add("", y.Timezone)
	add("", y.Locale)
	return strings.Join(parts, ", ")
}

func engineLine(s *schema.FoundServer, e *schema.Engine) string {
	switch {
	case e.Error != "":
		return "cannot be asked: " + clean(e.Error)
	case !e.Running:
		return "installed, does not run"
	}
	n, bytes := len(e.Databases), int64(0)
	for _, d := range e.Databases {
		bytes += d.Bytes
	}
	for _, a := range s.Accounts {
		for _, d := range a.Databases {
			if d.Engine == e.Name {
				n, bytes = n+1, bytes+d.Bytes
			}
		}
	}
	return plural(n, "database") + ", " + size(bytes)
}

// accountsOfSystem is the table of the accounts of a whole machine.
func (v *View) accountsOfSystem(s *schema.FoundServer) {
	if len(s.Accounts) == 0 {
		if s.Presence == schema.Present {
			v.item("  ", "", nil, "no accounts, by layout "+named(s.Layout), nil)
		}
		return
	}
	rows := [][]string{{"account", "uid", "", "files", "", "mail", "", "databases", "sites"}}
	for _, a := range s.Accounts {
		rows = append(rows, []string{named(a.Name), strconv.Itoa(a.UID),
			blank(a.Files.Entries), blankSize(a.Files.Bytes), blank(a.Mail.Messages), blankSize(a.Mail.Bytes),
			blank(int64(len(a.Databases))), blankSize(a.DatabaseBytes()), blank(int64(len(a.Sites)))})
	}
	v.table("  ", rows, []column{loose, numeric, numeric, numeric, numeric, numeric, numeric, numeric, numeric})
}

func blank(n int64) string {
	if n == 0 {
		return "–"
	}
	return number(n)
}

func blankSize(n int64) string {
	if n == 0 {
		return ""
	}
	return size(n)
}

// systemDetail is what people look at when two servers differ. Long lists are
// counted: JSON has them.
func (v *View) systemDetail(s *schema.FoundServer) {
	y := s.System
	var rows [][]string
	add := func(kind, text string) {
		if text != "" {
			rows = append(rows, []string{kind, text})
		}
	}
	add("machine", clean(s.Machine))
	add("host name", clean(y.Hostname))
	for _, a := range y.Addresses {
		add("address", clean(a.Address+" "+a.Interface+" "+a.Scope))
	}
	for _, p := range y.Outgoing {
		text := clean(p.Address)
		switch {
		case p.Error != "":
			text += ", no name: " + clean(p.Error)
		case len(p.Names) > 0:
			text += ", " + names(p.Names, 3)
		}
		add("outgoing", text)
	}
	for _, m := range y.Mounts {
		text := whole(m.Path) + " " + clean(m.Type) + ", " + size(m.Free) + " of " + size(m.Bytes) + " and " + number(m.FreeInodes) + " of " + number(m.Inodes) + " inodes free"
		if m.Quota {
			text += ", quotas are on"
		}
		add("file system", text)
	}
	for _, p := range y.Ports {
		add("port", clean(fmt.Sprintf("%s %s:%d %s", p.Protocol, p.Address, p.Port, p.Program)))
	}
	for _, p := range y.PHP {
		add("php", clean(p.Version+" "+p.Full)+", "+plural(len(p.Extensions), "extension"))
	}
	for _, d := range y.Daemons {
		add("service", serviceLine(d))
	}
	for _, k := range y.HostKeys {
		add("host key", clean(k))
	}
	add("firewall", counted(len(y.Firewall), "line of rules", "lines of rules"))
	var rest []string
	for _, x := range []string{counted(len(y.Packages), "package", "packages"), counted(len(y.Programs), "program", "programs"), counted(len(y.Libraries), "library", "libraries"),
		counted(len(y.Users), "user", "users"), counted(len(y.Groups), "group", "groups"), counted(len(y.Settings), "setting", "settings")} {
		if x != "" {
			rest = append(rest, x)
		}
	}
	if len(rest) > 0 {
		add("besides", strings.Join(rest, ", ")+"; --json has them")
	}
	v.table("  ", rows, []column{keep})
}

// counted is "" for none.
func counted(n int, one, many string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + one
	}
	return number(int64(n)) + " " + many
}

func serviceLine(d schema.Service) string {
	state := "stopped"
	if d.Running {
		state = "running"
	}
	text := named(d.Name) + ", " + state
	if d.User != "" {
		text += ", as " + named(d.User)
	}
	if d.Command != "" {
		text += ": " + clean(d.Command)
	}
	return text
}
