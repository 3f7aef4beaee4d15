package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// InventoryDocument is what was found, for programs.
type InventoryDocument struct {
	FormatVersion string `json:"format_version"`
	*schema.Inventory
}

// Inventory shows what was found on the servers: a summary, or with each the
// accounts that the inventory holds and all there is to say of them.
func (v *View) Inventory(cfg *schema.Config, inv *schema.Inventory, each bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.give(InventoryDocument{FormatVersion, inv}) {
		return
	}
	var told []string
	for _, name := range []string{cfg.Migration.Source, cfg.Migration.Transit, cfg.Migration.Trial} {
		if s := inv.Servers[name]; s != nil && !slices.Contains(told, name) {
			v.server(name, s, each)
			told = append(told, name)
		}
	}
}

func (v *View) server(name string, s *schema.FoundServer, each bool) {
	if each && s.Presence == schema.Present && len(s.Accounts) == 0 {
		return // none of those that were asked for is there
	}
	paint := ink(nil)
	switch s.Presence {
	case schema.Absent:
		paint = v.style.faint
	case schema.Unreachable:
		paint = v.style.red
	}
	v.item("", named(name)+" ", v.style.bold, serverLine(s), paint)
	v.lookedAt(s)
	if !each {
		v.system(s)
		v.accountTable(s)
		v.unowned(s)
	}
	if each || v.verbose {
		for _, a := range s.Accounts {
			v.accountDetail(s, a)
		}
	}
	v.gap()
}

// lookedAt says that what is shown was not looked at now.
func (v *View) lookedAt(s *schema.FoundServer) {
	if !s.Remembered || s.At.IsZero() {
		return
	}
	v.item("  ", "", nil, "looked at "+took(v.now().Sub(s.At).Round(time.Second))+" ago (remembered; --refresh looks again)", v.style.yellow)
}

// accountTable is one row for each account.
func (v *View) accountTable(s *schema.FoundServer) {
	if s.System != nil {
		v.accountsOfSystem(s)
	} else {
		var rows [][]string
		for _, a := range s.Accounts {
			rows = append(rows, []string{named(a.Name), recordOf(a), contents(a)})
		}
		v.table("  ", rows, nil)
	}
	for _, a := range s.Accounts {
		if a.Owner.Blocker != "" {
			v.item("  ", "blocker", v.style.red, named(a.Name)+": "+clean(a.Owner.Blocker), nil)
		}
	}
}

// unowned are the things on a server that belong to nobody.
func (v *View) unowned(s *schema.FoundServer) {
	most := len(s.Residue)
	if s.System != nil { // a whole machine has a lot of it
		most = v.most(mostUnowned)
	}
	for i, r := range s.Residue {
		if i == most && len(s.Residue) > most+1 {
			v.more(len(s.Residue) - i)
			break
		}
		v.item("  ", "owned by no account:", v.style.yellow, whole(r.Path), nil)
	}
}

// mostUnowned is how many things of one kind are listed before they are counted.
const mostUnowned = 12

func (v *View) more(n int) {
	v.item("  ", "", nil, "… and "+number(int64(n))+" more; --verbose shows all", v.style.faint)
}

func serverLine(s *schema.FoundServer) string {
	switch s.Presence {
	case schema.Absent:
		return "not there yet"
	case schema.Unreachable:
		return "does not answer: " + clean(s.Error)
	}
	var parts []string
	switch {
	case s.Architecture != "" || s.System == nil:
		parts = append(parts, "architecture "+named(s.Architecture))
	case s.System.OS != "":
		parts = append(parts, clean(s.System.OS))
	}
	if len(s.Listening) > 0 {
		parts = append(parts, "answers on "+clean(strings.Join(s.Listening, ", ")))
	} else {
		parts = append(parts, "answers on no service address")
	}
	var rt []string
	for _, r := range s.Runtimes {
		rt = append(rt, clean(r.Name+" "+r.Version))
	}
	if len(rt) > 0 {
		parts = append(parts, strings.Join(rt, ", "))
	}
	if s.TotalBytes > 0 {
		parts = append(parts, size(s.FreeBytes)+" of "+size(s.TotalBytes)+" free")
	}
	if s.Seal != nil {
		parts = append(parts, fmt.Sprintf("sealed (%d)", s.Seal.Number))
	}
	return strings.Join(parts, "; ")
}

func recordOf(a *schema.FoundAccount) string {
	s := clean(a.Owner.State)
	if a.Owner.Epoch > 0 {
		s += fmt.Sprintf(" (epoch %d)", a.Owner.Epoch)
	}
	return s
}

func contents(a *schema.FoundAccount) string {
	var out []string
	if a.Files.Entries > 0 {
		out = append(out, plural(int(a.Files.Entries), "file")+" "+size(a.Files.Bytes))
	}
	if a.Mail.Messages > 0 {
		out = append(out, plural(int(a.Mail.Messages), "message")+" "+size(a.Mail.Bytes))
	}
	if len(a.Databases) > 0 {
		out = append(out, fmt.Sprintf("%s %s", plural(len(a.Databases), "database"), size(a.DatabaseBytes())))
	}
	return strings.Join(out, ", ")
}
