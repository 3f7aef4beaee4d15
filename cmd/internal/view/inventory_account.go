package view

import (
	"fmt"
	"strings"

	"github.com/stopover/stopover/schema"
)

// mostOfKind is how many things of one kind of an account are listed before they
// are counted.
const mostOfKind = 10

// detail collects the rows of one account.
type detail struct {
	v    *View
	rows [][]string
}

// each adds a row for each thing of a kind, and counts the rest.
func (d *detail) each(kind string, n int, text func(i int) string) {
	most := d.v.most(mostOfKind)
	for i := range n {
		if i == most && n > most+1 {
			d.rows = append(d.rows, []string{kind, "… and " + number(int64(n-i)) + " more; --verbose shows all"})
			return
		}
		d.rows = append(d.rows, []string{kind, text(i)})
	}
}

func (d *detail) one(kind, text string) {
	if text != "" {
		d.rows = append(d.rows, []string{kind, text})
	}
}

// accountDetail is all there is to say of one account.
func (v *View) accountDetail(s *schema.FoundServer, a *schema.FoundAccount) {
	v.gap()
	v.item("  ", "", nil, named(a.Name)+" on "+named(s.Name)+", "+recordOf(a), v.style.bold)
	d := &detail{v: v}
	d.user(a)
	d.one("files", plural(int(a.Files.Entries), "file")+" "+size(a.Files.Bytes))
	if a.Quota > 0 {
		d.one("quota", size(a.Quota))
	}
	d.mail(a)
	d.databases(a)
	d.web(a)
	d.running(a)
	d.ties(a)
	d.each("finding", len(a.Findings), func(i int) string { return clean(a.Findings[i].Code + ": " + a.Findings[i].Summary) })
	if len(a.Truncated) > 0 {
		d.one("not complete", clean(strings.Join(a.Truncated, ", ")))
	}
	v.table("    ", d.rows, []column{keep})
}

func (d *detail) user(a *schema.FoundAccount) {
	u := a.User
	if u == nil {
		if a.UID != 0 {
			d.one("user", fmt.Sprintf("uid %d", a.UID))
		}
		return
	}
	text := fmt.Sprintf("uid %d, gid %d", a.UID, u.GID)
	if len(u.Groups) > 0 {
		text += ", in " + names(u.Groups, 5)
	}
	d.one("user", text+", "+clean(u.Shell))
	d.one("home", fmt.Sprintf("%s, %04o", whole(u.Home), u.Mode))
	password := clean(u.Password)
	if u.Scheme != "" {
		password += " (" + clean(u.Scheme) + ")"
	}
	d.one("password", password)
	if q := u.Quota; q != nil {
		var parts []string
		for _, x := range []struct {
			n    int64
			text string
		}{{q.Soft, size(q.Soft) + " soft"}, {q.Hard, size(q.Hard) + " hard"}, {q.SoftInodes, number(q.SoftInodes) + " inodes soft"}, {q.HardInodes, number(q.HardInodes) + " inodes hard"}} {
			if x.n > 0 {
				parts = append(parts, x.text)
			}
		}
		d.one("quota", strings.Join(parts, ", "))
	}
	d.each("key", len(u.Keys), func(i int) string {
		return clean(strings.TrimSpace(u.Keys[i].Type + " " + u.Keys[i].Fingerprint + " " + u.Keys[i].Comment))
	})
	d.each("login", len(u.Logins), func(i int) string { return clean(u.Logins[i].Kind) + " " + named(u.Logins[i].Name) })
}

func (d *detail) mail(a *schema.FoundAccount) {
	if len(a.Mail.Boxes) == 0 {
		d.each("mailbox", len(a.Mail.Mailboxes), func(i int) string { return named(a.Mail.Mailboxes[i]) })
		if a.Mail.Messages > 0 {
			d.one("mail", plural(int(a.Mail.Messages), "message")+" "+size(a.Mail.Bytes))
		}
		return
	}
	d.each("mailbox", len(a.Mail.Boxes), func(i int) string {
		b := &a.Mail.Boxes[i]
		text := named(b.Address) + ", " + plural(int(b.Messages), "message") + " " + size(b.Bytes) + ", " + plural(len(b.Folders), "folder")
		for _, s := range b.Sieve {
			if s.Active {
				text += ", filter " + named(s.Path)
			}
		}
		return text
	})
}

func (d *detail) databases(a *schema.FoundAccount) {
	d.each("database", len(a.Databases), func(i int) string {
		b := &a.Databases[i]
		text := clean(b.Engine) + "/" + named(b.Name) + ", " + size(b.Bytes)
		x := b.Detail
		if x == nil {
			return text
		}
		if x.Error != "" {
			return text + ", cannot be looked into: " + clean(x.Error)
		}
		text += ", " + plural(len(x.Tables), "table") + ", " + plural(int(x.Rows), "row")
		if len(x.Routines) > 0 {
			text += ", " + plural(len(x.Routines), "stored program")
		}
		if x.Charset != "" {
			text += ", " + clean(x.Charset)
		}
		return text
	})
	d.each("database user", len(a.DatabaseUsers), func(i int) string {
		return clean(a.DatabaseUsers[i].Engine) + "/" + databaseUser(a.DatabaseUsers[i])
	})
}

func (d *detail) web(a *schema.FoundAccount) {
	if len(a.Sites) == 0 {
		d.each("domain", len(a.Domains), func(i int) string { return named(a.Domains[i].Name) })
	}
	d.each("site", len(a.Sites), func(i int) string {
		s := &a.Sites[i]
		text := named(s.Domain)
		if len(s.Names) > 1 {
			text += " (" + names(s.Names[1:], 3) + ")"
		}
		for _, x := range []string{s.Server, s.Root, s.Pass} {
			if x != "" {
				text += ", " + clean(x)
			}
		}
		if s.File != "" {
			text += fmt.Sprintf(", %s:%d", whole(s.File), s.Line)
		}
		return text
	})
	d.each("certificate", len(a.Certificates), func(i int) string {
		c := &a.Certificates[i]
		text := names(c.Names, 3) + ", until " + c.Expires.UTC().Format("2006-01-02")
		if c.Renewed != "" {
			text += ", renewed by " + clean(c.Renewed)
		}
		return text
	})
	d.each("pool", len(a.Pools), func(i int) string {
		return named(a.Pools[i].Name) + ", php " + clean(a.Pools[i].PHP+" "+a.Pools[i].Listen)
	})
}

func (d *detail) running(a *schema.FoundAccount) {
	d.each("service", len(a.Services), func(i int) string { return serviceLine(a.Services[i]) })
	if len(a.Services) == 0 {
		d.each("program", len(a.Programs), func(i int) string { return named(a.Programs[i].Name) + " " + clean(a.Programs[i].Runtime) })
	}
	d.each("timer", len(a.Timers), func(i int) string {
		return named(a.Timers[i].Name) + ", " + clean(a.Timers[i].Schedule+": "+a.Timers[i].Command)
	})
	if len(a.Timers) == 0 {
		d.each("task", len(a.Tasks), func(i int) string { return named(a.Tasks[i].Name) + ", " + clean(a.Tasks[i].Schedule) })
	}
	d.each("port", len(a.Ports), func(i int) string {
		p := a.Ports[i]
		return clean(fmt.Sprintf("%s %s:%d %s", p.Protocol, p.Address, p.Port, p.Program))
	})
	d.each("runtime", len(a.Runtimes), func(i int) string {
		r := a.Runtimes[i]
		return clean(r.Name + " " + r.Version + ", by " + r.By)
	})
}

// ties are what an account leans on where it is.
func (d *detail) ties(a *schema.FoundAccount) {
	d.each("environment", len(a.Environments), func(i int) string {
		e := &a.Environments[i]
		return clean(e.Kind) + " " + whole(e.Path) + ", " + clean(strings.TrimSpace(e.Runtime+" "+e.Version))
	})
	d.each("binary", len(a.Binaries), func(i int) string {
		b := &a.Binaries[i]
		text := whole(b.Path) + ", " + clean(b.Arch)
		if len(b.Missing) > 0 {
			text += ", lacks " + names(b.Missing, 5)
		}
		return text
	})
	d.each("line", len(a.Lines), func(i int) string {
		l := &a.Lines[i]
		return fmt.Sprintf("%s:%d, %s", whole(l.Path), l.Line, clean(l.Kind+": "+l.What))
	})
	d.each("mention", len(a.Mentions), func(i int) string {
		m := &a.Mentions[i]
		return fmt.Sprintf("%s:%d, %s", whole(m.Path), m.Line, clean(m.What))
	})
	d.each("link", len(a.Links), func(i int) string { return whole(a.Links[i].Path) + " → " + whole(a.Links[i].Target) })
	d.each("client", len(a.Clients), func(i int) string {
		c := &a.Clients[i]
		text := clean(c.Service+" "+c.User+" from "+c.Address) + ", " + plural(int(c.Times), "time")
		if c.Plain {
			text += ", without encryption"
		}
		return text
	})
	d.each("elsewhere", len(a.Other), func(i int) string { return whole(a.Other[i]) })
	if !a.Backup.IsZero() {
		d.one("backup", a.Backup.UTC().Format("2006-01-02 15:04"))
	}
}
