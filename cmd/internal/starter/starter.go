// Package starter writes the configuration that a new user begins with: a
// commented one, empty or filled with what a survey of the source server found.
// It is text that people go on editing, so it says why each thing is there.
package starter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mitchellh/go-wordwrap"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
)

// FileName is the file that a starter configuration is written to.
const FileName = "main.stopover.hcl"

// Request says what to write.
type Request struct {
	Kind     providers.Kind    // of both servers
	Address  string            // of the source server, as it stands in the configuration
	Options  map[string]string // of the source's kind; shared by both servers
	Process  *schema.Process   // whose name and title are written
	Timezone string            // IANA name
	Version  string            // of the program
	Accounts Listing
	// Found is what a survey of the source found. Nil: nothing was surveyed, and
	// the examples stand for it.
	Found *schema.FoundServer
}

// Listing says how accounts are written.
type Listing string

// Listings. Auto writes blocks as long as a person would read them.
const (
	Auto    Listing = "auto"
	Each    Listing = "each"    // one account block for each
	Pattern Listing = "pattern" // one accounts block for all
)

// fewAccounts is how many accounts get a block of their own by default.
const fewAccounts = 25

// Write returns the file. It is an error of this package, not of its user, if
// what it wrote is not the syntax of the language.
func Write(r Request) ([]byte, error) {
	w := &writer{}
	w.head(r)
	w.servers(r)
	w.architecture(r)
	w.window(r)
	w.migration(r)
	out, diags := hclfile.Format(FileName, []byte(w.String()))
	if diags.HasErrors() {
		d := diags[0]
		return nil, errors.Join(fmt.Errorf("write %s line %d: %s: %s", FileName, d.Pos.Line, d.Summary, d.Snippet), errors.New(d.Detail))
	}
	return out, nil
}

type writer struct {
	strings.Builder
}

// line writes a line of the language.
func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// about writes a comment, broken at words.
func (w *writer) about(indent, format string, args ...any) {
	text := wordwrap.WrapString(comment(fmt.Sprintf(format, args...)), uint(78-len(indent)))
	for l := range strings.Lines(text) {
		w.line("%s# %s", indent, strings.TrimSuffix(l, "\n"))
	}
}

func (w *writer) head(r Request) {
	w.about("", `The journey of hosting accounts off a server and back, for Stopover. All files *.stopover.hcl of this directory belong together.`)
	w.line("#")
	w.about("", `Next: read it through and change what is not so. Then "stopover validate" reads it, "stopover check" looks at the servers, "stopover plan" shows what would be done, and only "stopover apply" does it.`)
	w.line("\nstopover {\n  required_version = %s\n}\n", quote(">= "+r.Version))
}

func (w *writer) servers(r Request) {
	if len(r.Options) > 0 {
		w.line("provider %s {", quote(r.Kind.Name))
		for _, o := range r.Kind.Options {
			if v, ok := r.Options[o.Name]; ok {
				w.line("  %s = %s", o.Name, value(o, v))
			}
		}
		w.line("}\n")
	}
	own, transit := addresses(r)
	w.about("", "The server that accounts leave, and come back to once it is reinstalled. \"address\" is how Stopover reaches it; \"serves\" is what its users reach.")
	w.line("server \"client\" {\n  provider = %s\n  address = %s", quote(r.Kind.Name), quote(r.Address))
	if len(own) > 0 {
		w.line("  serves = %s", list(own))
	}
	w.line("  # price = \"389 EUR/month\" # for what a longer journey costs\n}\n")
	w.transit(r, transit)
}

func (w *writer) transit(r Request, serves []string) {
	if r.Process.OneWay() {
		w.about("", "The server that accounts move to, and stay on.")
	} else {
		w.about("", "The server that accounts stop over on. Its address may be missing until it is handed over.")
	}
	w.line("server \"transit\" {\n  provider = %s", quote(r.Kind.Name))
	switch {
	case isLocal(r.Kind):
		w.line("  address = %s", quote(beside(r.Address)))
	default:
		w.line("  # address = \"…\"")
	}
	if len(serves) > 0 {
		w.line("  serves = %s", list(serves))
	} else {
		w.line("  # serves = [\"…\"]")
	}
	w.line("}\n")
}

func (w *writer) architecture(r Request) {
	f := r.Found
	if f == nil {
		w.about("", "What the servers offer after the journey. What an account uses and this does not name is found by \"stopover check\".")
		w.line("architecture \"new\" {\n  # runtime \"php\" { versions = [\"8.2\", \"8.3\"] }\n  database \"sqlite\" {\n    version = \"3\"\n  }\n  # removed = [\"mongodb\"]\n}\n")
		return
	}
	w.about("", "What the servers offer after the journey. This is what the source offers today (architecture %s): change it to what the new one will offer.", f.Architecture)
	w.line("architecture \"new\" {")
	byName := map[string][]string{}
	var order []string
	for _, x := range f.Runtimes {
		if byName[x.Name] == nil {
			order = append(order, x.Name)
		}
		byName[x.Name] = append(byName[x.Name], x.Version)
	}
	for _, n := range order {
		if writable(n) {
			w.line("  runtime %s {\n    versions = %s\n  }", quote(n), list(byName[n]))
		}
	}
	for _, e := range f.Engines {
		if writable(e.Name) && writable(e.Version) {
			w.line("  database %s {\n    version = %s\n  }", quote(e.Name), quote(e.Version))
		}
	}
	w.line("  # removed = [\"mongodb\"] # engines that will not exist any more\n}\n")
}

// window is an example of its own: the migration names it in a comment.
func (w *writer) window(r Request) {
	w.about("", "When accounts may move, if not at any time. The migration below, or an account, names it.")
	w.line("window \"night\" {\n  days = [\"mon\", \"tue\", \"wed\", \"thu\"]\n  from = \"01:00\"\n  to = \"05:00\"\n  timezone = %s\n}\n", quote(r.Timezone))
}

func (w *writer) migration(r Request) {
	w.line("migration \"journey\" {")
	w.about("  ", "The rules: %s. \"stopover schema language\" lists what may stand in here.", r.Process.Title)
	w.line("  process = %s\n  architecture = \"new\"\n  source = server.client\n  transit = server.transit\n", quote(r.Process.Name))
	w.line("  # finish_by = \"2026-12-20\" # the plan says whether that will do\n  # windows = [window.night]")
	w.accounts(r)
	w.residue(r)
	w.line("}")
}
