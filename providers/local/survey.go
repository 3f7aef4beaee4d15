package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/files"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/local/sqlite"
	"github.com/stopover/stopover/schema"
)

// Survey says what is in the server's directory; it changes nothing. The agent
// adds what the records say.
func (h *Host) Survey(ctx context.Context) (*schema.FoundServer, error) {
	d := h.description()
	s := &schema.FoundServer{
		Name: d.Name, Presence: schema.Present, Provider: "local",
		Machine: h.machine, Boot: h.boot, Architecture: d.Architecture,
		Addresses: slices.Clone(d.Serves), Listening: h.addresses(), HTTP: h.httpAddress(),
		Can: everything(), Cannot: map[schema.Capability]string{},
	}
	for _, r := range d.Runtimes {
		s.Runtimes = append(s.Runtimes, schema.Runtime{Name: r.Name, Version: r.Version})
	}
	for _, r := range d.RemovedRuntimes {
		s.Removed = append(s.Removed, schema.Runtime{Name: r.Name, Version: r.Version})
	}
	for _, e := range d.Engines {
		s.Engines = append(s.Engines, schema.EngineOffer{Name: e.Name, Version: e.Version})
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(h.dir, &disk); err == nil {
		s.FreeBytes, s.FreeInodes = int64(disk.Bavail)*disk.Bsize, int64(disk.Ffree)
		if disk.Files == 0 { // btrfs and others have no fixed number of inodes
			s.FreeInodes = 1 << 62
		}
	}
	var err error
	if s.Residue, err = h.Residue(); err != nil {
		return nil, err
	}
	if s.Accounts, err = h.surveyAccounts(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// everything is what a pocket server can do, whether it is there already or not.
func everything() map[schema.Capability]bool {
	can := map[schema.Capability]bool{}
	for _, c := range []schema.Capability{schema.CanOwn, schema.CanCopy, schema.CanProvision, schema.CanReinstall, schema.CanReroute,
		schema.CanRemoveRuntimes, schema.CanListResidue, schema.CanRetire, schema.CanRelease, schema.CanKeepFacts} {
		can[c] = true
	}
	return can
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
					Code: "account-unreadable", Severity: schema.Blocker, Account: name, Server: h.description().Name,
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
	return out, nil
}

func (h *Host) surveyAccount(ctx context.Context, name string) (*schema.FoundAccount, error) {
	p, err := h.Place(name, false)
	if err != nil {
		return nil, err
	}
	out := &schema.FoundAccount{Name: name, UID: 0}
	d, err := description.ReadAccount(h.dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist): // staged and not yet settled
	case err != nil:
		out.Findings = append(out.Findings, schema.Finding{
			Code: "account-description", Severity: schema.Blocker, Account: name, Server: h.description().Name,
			Summary: err.Error(), Remedy: "mend its account.json; nothing of it can be moved before", Certainty: "observed",
		})
	default:
		describe(out, d)
	}
	if err := countFiles(ctx, p.Files, out, name); err != nil {
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
			Code: "account-stray", Severity: schema.Blocker, Account: name, Object: s, Server: h.description().Name,
			Summary:   fmt.Sprintf("%s lies beside the account's home and would not be moved", printable(s)),
			Remedy:    "move it into the account's home, or delete it",
			Certainty: "observed",
		})
	}
	for _, s := range strays {
		out.Findings = append(out.Findings, schema.Finding{
			Code: "database-stray", Severity: schema.Blocker, Account: name, Object: s, Server: h.description().Name,
			Summary:   fmt.Sprintf("databases/%s is not a SQLite database and would not be moved", printable(s)),
			Remedy:    "move it into the account's home, or delete it",
			Certainty: "observed",
		})
	}
	out.Copied, err = h.copied(name)
	return out, err
}

func describe(out *schema.FoundAccount, d *description.Account) {
	out.UID = d.UID
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

func countFiles(ctx context.Context, dir string, out *schema.FoundAccount, name string) error {
	l, found, err := files.Scan(ctx, dir, files.ScanOptions{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the account does not have this part
	}
	if err != nil {
		return err
	}
	l.Walk(func(_ string, e files.Entry) {
		out.Files.Entries++
		out.Files.Bytes += e.Size
	})
	for _, f := range found {
		out.Findings = append(out.Findings, schema.Finding{
			Code: "file-" + string(f.Code), Severity: severityOf(f.Code), Account: name, Object: f.Path,
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

// Databases lists the account's databases as they are now.
func (h *Host) Databases(account string) ([]schema.Database, error) {
	p, err := h.Place(account, false)
	if err != nil {
		return nil, err
	}
	names, err := databaseNames(p.Databases)
	if err != nil {
		return nil, err
	}
	version := ""
	for _, e := range h.description().Engines {
		if e.Name == "sqlite" {
			version = e.Version
		}
	}
	var out []schema.Database
	for _, n := range names {
		info, err := sqlite.Inspect(context.Background(), h.sqlite, sqlite.File{Root: p.Databases, Name: n + sqliteExt}, sqlite.InspectOptions{})
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", printable(n), err)
		}
		out = append(out, schema.Database{Engine: "sqlite", Version: version, Name: n, Bytes: info.Bytes, Mode: string(info.JournalMode)})
	}
	return out, nil
}

// DatabaseNames lists the databases of an account without opening them.
func (h *Host) DatabaseNames(account string) ([]string, error) {
	p, err := h.Place(account, false)
	if err != nil {
		return nil, err
	}
	return databaseNames(p.Databases)
}

const sqliteExt = ".sqlite"

// databaseNames lists the databases of a directory by name, sorted.
func databaseNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if n, ok := strings.CutSuffix(e.Name(), sqliteExt); ok && e.Type().IsRegular() {
			out = append(out, n)
		}
	}
	return out, nil
}

// Movable refuses what no part of a copy would carry.
func (h *Host) Movable(account string) error {
	p, err := h.Place(account, false)
	if err != nil {
		return err
	}
	strays, err := strayDatabases(p.Databases)
	if err != nil {
		return err
	}
	extra, err := strayEntries(filepath.Dir(p.Files))
	if err != nil {
		return err
	}
	if all := append(extra, strays...); len(all) > 0 {
		return fmt.Errorf("%w: %s would not be moved: move it into the account's home, or delete it", providers.ErrRefused, printable(all[0]))
	}
	return nil
}

// strayEntries lists what lies in an account's directory and is no part of it.
func strayEntries(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		switch n := e.Name(); n {
		case description.HomeDir, description.MailDir, description.DatabasesDir, description.AccountFile, copiedFile:
		default:
			if !strings.HasPrefix(n, "."+description.AccountFile) { // left by a crash while it was replaced
				out = append(out, n)
			}
		}
	}
	return out, nil
}

// strayDatabases lists what else is in the directory: companions of a database
// belong to it, anything else would be left behind.
func strayDatabases(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		n := e.Name()
		for _, s := range []string{"", "-wal", "-shm", "-journal"} {
			if b, ok := strings.CutSuffix(n, s); ok && strings.HasSuffix(b, sqliteExt) && e.Type().IsRegular() {
				n = ""
				break
			}
		}
		if n != "" {
			out = append(out, n)
		}
	}
	return out, nil
}

func printable(s string) string { return schema.QuoteName(s) }
