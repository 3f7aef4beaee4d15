package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/local/front"
	"github.com/stopover/stopover/schema"
)

// set tells the front of an account and its mode.
func (h *Host) set(account string, m front.Mode) error {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return err
	}
	out := front.Account{Dir: at}
	a, err := description.ReadAccount(h.dir, account)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		out.Domains, out.Also = h.domainsOf(account)
	case err != nil:
		// Nobody can say what it is, but its names are known: told to come later
		// is better than turned away for good.
		h.log.Error("account", "account", account, "error", err)
		out.Domains, out.Also = h.domainsOf(account)
		if m.Kind == front.Serve || m.Kind == front.Hold {
			m.Kind = front.Closed
		}
	default:
		out.UID, out.GID = a.UID, a.Group()
		for _, x := range a.Domains {
			out.Domains = append(out.Domains, x.Name)
		}
		for _, m := range a.Mailboxes {
			if m.Quota > 0 {
				if out.Quotas == nil {
					out.Quotas = map[string]int64{}
				}
				out.Quotas[m.User+"@"+m.Domain] = m.Quota
			}
		}
		if a.Site != nil {
			out.Also = a.Site.Also
		}
		if a.Site != nil && a.Site.Kind == description.SiteProgram {
			out.Site.Socket = h.programs.Socket(account)
		} else if a.Site != nil {
			out.Site.Root = a.Site.Root
			if out.Site.Root == "" {
				out.Site.Root = "www"
			}
		}
	}
	return h.front.Set(account, out, m)
}

// alsoMark goes before a name that is for HTTP alone, in what a stub remembers.
const alsoMark = "+"

// domainsOf is what a stub remembers of an account whose data is elsewhere.
func (h *Host) domainsOf(account string) (domains, also []string) {
	esc, err := schema.EscapeName(account)
	if err != nil {
		return nil, nil
	}
	b, err := os.ReadFile(filepath.Join(h.dir, recordsDir, "domains", esc))
	if err != nil {
		return nil, nil
	}
	for _, n := range strings.Fields(string(b)) {
		if name, ok := strings.CutPrefix(n, alsoMark); ok {
			also = append(also, name)
		} else {
			domains = append(domains, n)
		}
	}
	return domains, also
}

// Place returns where an account's data is.
func (h *Host) Place(account string, create bool) (agent.Place, error) {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return agent.Place{}, err
	}
	p := agent.Place{
		Files: filepath.Join(at, description.HomeDir), Mail: filepath.Join(at, description.MailDir),
		Databases: filepath.Join(at, description.DatabasesDir),
	}
	if !create {
		if _, err := os.Stat(at); err != nil {
			return agent.Place{}, fmt.Errorf("account %s: %w", schema.QuoteName(account), err)
		}
		return p, nil
	}
	for _, dir := range []string{p.Files, p.Mail, p.Databases} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return agent.Place{}, fmt.Errorf("account %s: %w", schema.QuoteName(account), err)
		}
	}
	return p, nil
}

// Accounts lists the accounts that have a place here.
func (h *Host) Accounts() ([]string, error) {
	names, _, err := description.Accounts(h.dir)
	return names, err
}

// Settle stores the settings of a staged copy. They arrive as they are: a
// runtime that is not offered here was a blocker before anything moved.
func (h *Host) Settle(account string, settings []byte) ([]schema.Finding, error) {
	a, err := description.ParseAccount(settings)
	if err != nil {
		return nil, fmt.Errorf("settings of %s: %w", schema.QuoteName(account), err)
	}
	if a.Name != "" && a.Name != account {
		return nil, fmt.Errorf("settings of %s: they are of %s", schema.QuoteName(account), schema.QuoteName(a.Name))
	}
	have, err := h.Settings(account)
	if err == nil && string(have) == string(settings) {
		return nil, nil
	}
	// Byte for byte: the comparison in the cut knows no equivalent spellings.
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return nil, err
	}
	if err := disown(at, a); err != nil {
		return nil, fmt.Errorf("settings of %s: %w", schema.QuoteName(account), err)
	}
	if err := renameio.WriteFile(filepath.Join(at, description.AccountFile), settings, 0o644, renameio.WithTempDir(at)); err != nil {
		return nil, fmt.Errorf("settings of %s: %w", schema.QuoteName(account), err)
	}
	if err := h.keepDomains(account); err != nil {
		return nil, err
	}
	d := h.door(account)
	d.op.Lock()
	defer d.op.Unlock()
	// The front learns the domains; what it does with them stays as it was.
	return nil, h.set(account, h.front.Mode(account))
}

// Drop deletes an inactive copy.
func (h *Host) Drop(account string) error {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return err
	}
	if err := h.keepDomains(account); err != nil {
		return err
	}
	if err := os.RemoveAll(at); err != nil {
		return fmt.Errorf("drop the copy of %s: %w", schema.QuoteName(account), err)
	}
	return nil
}

// Redirects notes the names that a redirect is for.
func (h *Host) Redirects(account string, domains []string) error {
	for _, d := range domains {
		if err := description.CheckDomain(d); err != nil {
			return fmt.Errorf("redirects of %s: %w", schema.QuoteName(account), err)
		}
	}
	return h.writeDomains(account, domains)
}

// keepDomains writes down which names a redirect is for, before the copy with
// the description goes.
func (h *Host) keepDomains(account string) error {
	a, err := description.ReadAccount(h.dir, account)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var names []string
	for _, d := range a.Domains {
		names = append(names, d.Name)
	}
	if a.Site != nil {
		for _, n := range a.Site.Also {
			names = append(names, alsoMark+n)
		}
	}
	return h.writeDomains(account, names)
}

func (h *Host) writeDomains(account string, names []string) error {
	esc, err := schema.EscapeName(account)
	if err != nil {
		return err
	}
	dir := filepath.Join(h.dir, recordsDir, "domains")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text := []byte(strings.Join(names, "\n"))
	if have, err := os.ReadFile(filepath.Join(dir, esc)); err == nil && string(have) == string(text) {
		return nil
	}
	return errors.Join(renameio.WriteFile(filepath.Join(dir, esc), text, 0o600, renameio.WithTempDir(dir)), syncDir(dir))
}

// copiedFile holds what of a staged copy was brought to which epoch.
const copiedFile = "copied.json"

func (h *Host) copied(account string) ([]schema.CopiedPart, error) {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(at, copiedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []schema.CopiedPart
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, nil // evidence only: the part is copied again
	}
	return out, nil
}

// Copied notes that a part was brought to the state of an epoch.
func (h *Host) Copied(account string, part schema.CopiedPart) error {
	parts, err := h.copied(account)
	if err != nil {
		return err
	}
	parts = slices.DeleteFunc(parts, func(p schema.CopiedPart) bool { return p.Part == part.Part })
	b, err := json.Marshal(append(parts, part))
	if err != nil {
		return err
	}
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(at, copiedFile), b, 0o600)
}
