package starter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/stopover/stopover/schema"
)

// probesEach is how many sites of one account get a probe. More are a matter of
// taste, which is the user's.
const probesEach = 3

func (w *writer) accounts(r Request) {
	w.line("")
	if r.Found == nil {
		w.about("  ", "All accounts of the server move. One that needs more than that gets a block of its own.")
		w.line("  accounts {\n    include = [\"*\"]\n    # exclude = [\"test-*\"]\n  }\n")
		w.line(`  # account "shop" {
  #   after           = ["blog"] # that one moves first
  #   downtime_budget = "10s"    # a cutover that takes longer is undone
  #
  #   probe "home" {
  #     http     = "http://shop.example.org/"
  #     contains = "Cart"
  #   }
  # }`)
		return
	}
	here, away := living(r.Found)
	if away > 0 {
		w.about("  ", "%s on the server that do not live there were left out.", counted(away, "account"))
	}
	each := r.Accounts == Each || r.Accounts != Pattern && len(here) <= fewAccounts
	if !each || len(here) == 0 {
		w.about("  ", "%s. One that needs more than the others gets a block of its own: account \"NAME\" { … }.", summary(here))
		w.line("  accounts {\n    include = [\"*\"]\n  }")
		return
	}
	w.about("  ", "%s. Those that are not named here do not move; accounts { include = [\"*\"] } names all that are left.", summary(here))
	for _, a := range here {
		w.account(a)
	}
}

// living are the accounts that are at home on the server.
func living(s *schema.FoundServer) (here []*schema.FoundAccount, away int) {
	for _, a := range s.Accounts {
		switch a.Owner.State {
		case schema.StateStaged, schema.StatePrepared, schema.StateMoved, schema.StateRetired:
			away++
			continue
		}
		here = append(here, a)
	}
	return here, away
}

func (w *writer) account(a *schema.FoundAccount) {
	w.line("")
	if _, err := schema.EscapeName(a.Name); err != nil {
		w.about("  ", "Left out: %s, whose name is too long.", schema.QuoteName(a.Name))
		return
	}
	w.about("  ", "%s", contents(a))
	if !writable(a.Name) {
		// A label cannot hold such bytes; a pattern can.
		w.line("  accounts {\n    include = [%s]", quote(bytesGlob(a.Name)))
	} else {
		w.line("  account %s {", quote(a.Name))
	}
	names := siteNames(a)
	for i, n := range names {
		if i == probesEach {
			w.about("    ", "Without a probe: %s.", strings.Join(names[i:], ", "))
			break
		}
		w.line("    probe %s {\n      http = %s\n    }", quote(probeName(n, i)), quote("http://"+n+"/"))
	}
	w.line("  }")
}

// contents sums up an account for whoever reads the configuration.
func contents(a *schema.FoundAccount) string {
	parts := []string{fmt.Sprintf("%s in %s", size(a.Files.Bytes), counted64(a.Files.Entries, "file"))}
	if a.Mail.Messages > 0 || len(a.Mail.Mailboxes) > 0 {
		parts = append(parts, fmt.Sprintf("%s in %s", counted64(a.Mail.Messages, "message"), counted(len(a.Mail.Mailboxes), "mailbox")))
	}
	for i, d := range a.Databases {
		if i == 5 {
			parts = append(parts, fmt.Sprintf("and %s more", counted(len(a.Databases)-i, "database")))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s (%s)", d.Engine, schema.QuoteName(d.Name), size(d.Bytes)))
	}
	for _, u := range a.Runtimes {
		parts = append(parts, u.Name+" "+u.Version)
	}
	var domains []string
	for _, d := range a.Domains {
		domains = append(domains, d.Name)
	}
	if n := len(domains); n > 5 {
		domains = append(domains[:5], fmt.Sprintf("and %d more", n-5))
	}
	out := strings.Join(parts, ", ")
	if len(domains) > 0 {
		out += "; " + strings.Join(domains, ", ")
	}
	return out
}

func summary(list []*schema.FoundAccount) string {
	var bytes int64
	for _, a := range list {
		bytes += a.Bytes()
	}
	return fmt.Sprintf("%s, %s in all", counted(len(list), "account"), size(bytes))
}

// siteNames are the names under which the account's sites answer, in order.
// Names that are not plain host names are left out: what is asked for in their
// place nobody knows.
func siteNames(a *schema.FoundAccount) []string {
	var out []string
	add := func(n string) {
		if n = strings.ToLower(strings.TrimSuffix(n, ".")); hostName(n) && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	for _, s := range a.Sites {
		add(s.Domain)
	}
	if len(a.Sites) == 0 {
		for _, d := range a.Domains {
			add(d.Name)
		}
	}
	return out
}

func hostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		for _, c := range label {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// probeName is the site's name, as far as the name of a probe can hold it.
func probeName(host string, i int) string {
	if c := host[0]; c == '_' {
		return fmt.Sprintf("site-%d", i+1)
	}
	return host
}

func (w *writer) residue(r Request) {
	if r.Found == nil || len(r.Found.Residue) == 0 {
		return
	}
	w.line("")
	w.about("  ", "Things on the server that no account owns. The reinstallation destroys them: say of each what becomes of it, carry, archive or discard.")
	for _, x := range r.Found.Residue {
		if !writable(x.Path) {
			w.about("  ", "Cannot be written here: %s.", schema.QuoteName(x.Path))
			continue
		}
		w.line("  # residue %s {\n  #   action = \"archive\"\n  #   reason = \"…\"\n  # }", quote(x.Path))
	}
}

func size(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

func counted(n int, what string) string { return counted64(int64(n), what) }

func counted64(n int64, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "x"):
		what += "e"
	}
	return humanize.Comma(n) + " " + what + "s"
}
