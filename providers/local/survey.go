package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/agent/files"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/schema"
)

// Survey says what is in the server's directory; it changes nothing. The agent
// adds what the records say.
func (h *Host) Survey(ctx context.Context) (*schema.FoundServer, error) {
	d := h.description()
	s := &schema.FoundServer{
		Name: d.Name, Presence: schema.Present, Provider: "local",
		Machine: h.machine, Boot: h.boot, Architecture: d.Architecture,
		Addresses: slices.Clone(d.Serves), Listening: h.addresses(), HTTP: h.httpAddress(), SMTP: h.smtpAddress(),
		Names: slices.Clone(d.Names), Outgoing: slices.Clone(d.Outgoing), Engines: h.engines(),
		Can: everything(), Cannot: cannot(),
	}
	for _, r := range d.Runtimes {
		s.Runtimes = append(s.Runtimes, schema.Runtime{Name: r.Name, Version: r.Version})
	}
	for _, r := range d.RemovedRuntimes {
		s.Removed = append(s.Removed, schema.Runtime{Name: r.Name, Version: r.Version})
	}
	size, err := h.disk(ctx)
	if err != nil {
		return nil, fmt.Errorf("measure the disk: %w", err)
	}
	s.TotalBytes, s.TotalInodes, s.FreeBytes, s.FreeInodes = size.bytes, size.inodes, size.freeBytes, size.freeInodes
	if s.Residue, err = h.Residue(); err != nil {
		return nil, err
	}
	if s.Accounts, err = h.surveyAccounts(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// cannot says why the rest is left to people.
func cannot() map[schema.Capability]string {
	return map[schema.Capability]string{
		schema.CanReplaceRuntimes: "accounts keep the version that they name, and run on it or on the line that it is part of",
		schema.CanMapUsers:        "accounts keep the user id that they have, so that the owners of their files stay right",
		schema.CanDial:            "pocket servers share the network of this machine: they have no localhost of their own",
	}
}

// everything is what a pocket server can do, whether it is there already or not.
func everything() map[schema.Capability]bool {
	can := map[schema.Capability]bool{}
	for _, c := range abilities() {
		can[c] = true
	}
	return can
}

func abilities() []schema.Capability {
	return []schema.Capability{schema.CanOwn, schema.CanCopy, schema.CanProvision, schema.CanReinstall, schema.CanReroute,
		schema.CanRemoveRuntimes, schema.CanListResidue, schema.CanRetire, schema.CanRelease, schema.CanKeepFacts, schema.CanTry}
}

// Codes of what a survey finds in an account.
const (
	foundUnreadable    = "account-unreadable"
	foundDescription   = "account-description"
	foundStray         = "account-stray"
	foundStrayDatabase = "database-stray"
	foundCertificate   = "certificate-unreadable"
	foundFile          = "file-" // followed by one of files.Codes
)

func findings() []string {
	out := []string{agent.FoundVanished, foundUnreadable, foundDescription, foundStray, foundStrayDatabase, foundCertificate}
	for _, c := range files.Codes() {
		out = append(out, foundFile+string(c))
	}
	return out
}

// surveyAccounts surveys several accounts at once: most of the time is spent
// waiting for directories.
func (h *Host) surveyAccounts(ctx context.Context) ([]*schema.FoundAccount, error) {
	names, err := h.Accounts()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var out []*schema.FoundAccount
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, name := range names {
		g.Go(func() error {
			a, err := h.surveyAccount(ctx, name)
			if err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				// One account that cannot be read is no reason to say nothing of the others.
				a = &schema.FoundAccount{Name: name, Findings: []schema.Finding{{
					Code: foundUnreadable, Severity: schema.Blocker, Account: name, Server: h.description().Name,
					Summary: fmt.Sprintf("%s cannot be read: %v", printable(name), err), Remedy: "mend what the message names; nothing of the account is moved before", Certainty: "observed"}}}
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, a)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b *schema.FoundAccount) int { return strings.Compare(a.Name, b.Name) })
	ownSites(out)
	return out, nil
}

func (h *Host) surveyAccount(ctx context.Context, name string) (*schema.FoundAccount, error) {
	p, err := h.Place(name, false)
	if err != nil {
		return nil, err
	}
	out := &schema.FoundAccount{Name: name, UID: 0}
	if _, err := h.adopt(name); err != nil { // it came while the server ran
		h.log.Warn("no id", "account", name, "error", err)
	}
	d, err := description.ReadAccount(h.dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist): // staged and not yet settled
	case err != nil:
		out.Findings = append(out.Findings, schema.Finding{
			Code: foundDescription, Severity: schema.Blocker, Account: name, Server: h.description().Name,
			Summary: err.Error(), Remedy: "mend its account.json; nothing of it can be moved before", Certainty: "observed",
		})
		d = nil
	default:
		h.complete(name, d)
		describe(out, d)
	}
	if err := h.surveyHome(ctx, p.Files, out); err != nil {
		return nil, err
	}
	if err := h.certificates(p.Files, name, d, out); err != nil {
		return nil, err
	}
	if out.Backup, out.Backups, err = h.newestBackup(name); err != nil {
		return nil, err
	}
	if err := countMail(ctx, p.Mail, out); err != nil {
		return nil, err
	}
	out.Databases, err = h.Databases(name)
	if err != nil {
		return nil, err
	}
	strays, err := strayDatabases(p.Databases)
	if err != nil {
		return nil, err
	}
	extra, err := strayEntries(filepath.Dir(p.Files))
	if err != nil {
		return nil, err
	}
	for _, s := range extra {
		out.Findings = append(out.Findings, schema.Finding{
			Code: foundStray, Severity: schema.Blocker, Account: name, Object: s, Server: h.description().Name,
			Summary:   fmt.Sprintf("%s lies beside the account's home and would not be moved", printable(s)),
			Remedy:    "move it into the account's home, or delete it",
			Certainty: "observed",
		})
	}
	for _, s := range strays {
		out.Findings = append(out.Findings, schema.Finding{
			Code: foundStrayDatabase, Severity: schema.Blocker, Account: name, Object: s, Server: h.description().Name,
			Summary:   fmt.Sprintf("databases/%s is not a SQLite database and would not be moved", printable(s)),
			Remedy:    "move it into the account's home, or delete it",
			Certainty: "observed",
		})
	}
	out.Copied, err = h.copied(name)
	return out, err
}

func describe(out *schema.FoundAccount, d *description.Account) {
	out.UID, out.ID, out.Created, out.Quota = d.UID, d.ID, d.Created, d.Quota
	for _, x := range d.Domains {
		dns := x.DNS
		if dns == "" {
			dns = description.DNSExternal
		}
		out.Domains = append(out.Domains, schema.Domain{Name: x.Name, DNS: dns})
	}
	use := func(runtime string, command []string, by string) {
		if len(command) > 0 {
			if r, ok := strings.CutPrefix(command[0], description.RuntimePrefix); ok {
				runtime = r
			}
		}
		if runtime == "" {
			return
		}
		v, _ := d.Uses(runtime)
		out.Runtimes = append(out.Runtimes, schema.RuntimeUse{Name: runtime, Version: v, By: by})
	}
	if d.Site != nil {
		for _, n := range slices.Concat(names(d.Domains), d.Site.Also) {
			out.Sites = append(out.Sites, schema.Site{Domain: n, Kind: d.Site.Kind, Runtime: runtimeOf(d.Site)})
		}
		use(d.Site.Runtime, d.Site.Command, "site")
	}
	for _, p := range d.Programs {
		out.Programs = append(out.Programs, schema.Program{Name: p.Name, Runtime: p.Runtime})
		use(p.Runtime, p.Command, "program "+p.Name)
	}
	for _, t := range d.Tasks {
		out.Tasks = append(out.Tasks, schema.Task{Name: t.Name, Schedule: t.Schedule})
		use(t.Runtime, t.Command, "task "+t.Name)
	}
	for _, m := range d.Mailboxes {
		out.Mail.Mailboxes = append(out.Mail.Mailboxes, m.User+"@"+m.Domain)
	}
	slices.Sort(out.Mail.Mailboxes)
}

func names(list []description.Domain) []string {
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = d.Name
	}
	return out
}

// runtimeOf is the runtime that a site's program runs on, however it says so.
func runtimeOf(s *description.Site) string {
	if s.Runtime == "" && len(s.Command) > 0 {
		r, _ := strings.CutPrefix(s.Command[0], description.RuntimePrefix)
		if r != s.Command[0] {
			return r
		}
	}
	return s.Runtime
}

// ownSites notes which sites are on another account's domain: the domain
// itself, or the closest one above it.
func ownSites(accounts []*schema.FoundAccount) {
	owner := map[string]string{}
	for _, a := range accounts {
		for _, d := range a.Domains {
			owner[d.Name] = a.Name
		}
	}
	for _, a := range accounts {
		for i := range a.Sites {
			for n := a.Sites[i].Domain; n != ""; _, n, _ = strings.Cut(n, ".") {
				if slices.ContainsFunc(a.Domains, func(d schema.Domain) bool { return d.Name == n }) {
					break
				}
				if o, ok := owner[n]; ok {
					a.Sites[i].Owner = o
					break
				}
			}
		}
	}
}

// surveyHome reads the list of the account's files once, for all that is found
// in it.
func (h *Host) surveyHome(ctx context.Context, dir string, out *schema.FoundAccount) error {
	l, found, err := files.Scan(ctx, dir, files.ScanOptions{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the account does not have this part
	}
	if err != nil {
		return err
	}
	var more bool
	if out.Links, more = linksOut(l); more {
		out.Truncated = append(out.Truncated, "links")
	}
	d := h.description()
	if out.Mentions, more, err = h.mentions.mentions(ctx, out.Name, dir, l, slices.Concat(d.Names, d.Serves)); err != nil {
		return err
	}
	if more {
		out.Truncated = append(out.Truncated, "mentions")
	}
	l.Walk(func(_ string, e files.Entry) {
		out.Files.Entries++
		out.Files.Bytes += e.Size
	})
	for _, f := range found {
		out.Findings = append(out.Findings, schema.Finding{
			Code: foundFile + string(f.Code), Severity: severityOf(f.Code), Account: out.Name, Object: f.Path,
			Summary:   fmt.Sprintf("%s cannot be carried: %s %s", printable(f.Path), f.Code, printable(f.Detail)),
			Remedy:    "look whether it is needed; what makes it (a program, a mount) has to make it again on the other server",
			Certainty: "observed",
		})
	}
	return nil
}

// severityOf: what programs make again by themselves is information; what
// would silently be missing is a blocker.
func severityOf(c files.Code) string {
	switch c {
	case files.Socket:
		return schema.Info
	case files.XattrName, files.XattrNone:
		return schema.Warning
	}
	return schema.Blocker
}

func countMail(ctx context.Context, dir string, out *schema.FoundAccount) error {
	l, _, err := files.Scan(ctx, dir, files.ScanOptions{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l.Walk(func(path string, e files.Entry) {
		out.Mail.Bytes += e.Size
		parent := filepath.Base(filepath.Dir(path))
		if e.Mode&unix.S_IFMT == unix.S_IFREG && (parent == "cur" || parent == "new") {
			out.Mail.Messages++
		}
	})
	return nil
}

func printable(s string) string { return schema.QuoteName(s) }
