package view

import (
	"fmt"
	"strings"

	"github.com/stopover/stopover/schema"
)

// InventoryDocument is what was found, for programs.
type InventoryDocument struct {
	FormatVersion string `json:"format_version"`
	*schema.Inventory
}

// Inventory shows what was found on the servers.
func (v *View) Inventory(cfg *schema.Config, inv *schema.Inventory) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.give(InventoryDocument{FormatVersion, inv}) {
		return
	}
	for _, name := range []string{cfg.Migration.Source, cfg.Migration.Transit} {
		if s := inv.Servers[name]; s != nil {
			v.server(name, s)
		}
	}
}

func (v *View) server(name string, s *schema.FoundServer) {
	paint := ink(nil)
	switch s.Presence {
	case schema.Absent:
		paint = v.style.faint
	case schema.Unreachable:
		paint = v.style.red
	}
	v.item("", named(name)+" ", v.style.bold, serverLine(s), paint)
	var rows [][]string
	for _, a := range s.Accounts {
		rows = append(rows, []string{named(a.Name), recordOf(a), contents(a)})
	}
	v.table("  ", rows, nil)
	for _, a := range s.Accounts {
		if a.Owner.Blocker != "" {
			v.item("  ", "blocker", v.style.red, named(a.Name)+": "+clean(a.Owner.Blocker), nil)
		}
	}
	for _, r := range s.Residue {
		v.item("  ", "owned by no account:", v.style.yellow, whole(r.Path), nil)
	}
	v.gap()
}

func serverLine(s *schema.FoundServer) string {
	switch s.Presence {
	case schema.Absent:
		return "not there yet"
	case schema.Unreachable:
		return "does not answer: " + clean(s.Error)
	}
	parts := []string{"architecture " + named(s.Architecture)}
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
