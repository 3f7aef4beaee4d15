package view

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/cmd/internal/dnssheet"
	"github.com/stopover/stopover/cmd/internal/notice"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// showSmall shows what the smaller commands show, every text being the same.
func showSmall(v *View, text, name string, at time.Time) {
	cfg := &schema.Config{Migration: schema.Migration{Timezone: "Europe/Paris"}}
	v.Note(text)
	v.Wrote(text)
	v.Formatted([]FormattedFile{{File: text}})
	v.Started(StartedDocument{File: text, Dir: text, Surveyed: true, Accounts: 3, Architecture: text, Valid: true})
	v.Providers([]providers.Kind{{Name: "local", Doc: "A kind.", Options: []providers.Option{{Name: "port", Type: "number", Doc: strings.Repeat("what it is ", 20), Example: "8080", Default: "1"}}}})
	v.Unlocked(nil)
	v.Unlocked(&state.Holder{Who: text, Doing: text, Started: at})
	records := []schema.DNSRecord{{Type: "MX", Pref: 5, Value: text}}
	sheet := &dnssheet.Sheet{Asked: true, Resolver: text, Reroute: time.Minute, Findings: []schema.Finding{{Code: "dns-missing", Severity: schema.Warning, Account: name, Summary: text}}}
	for _, do := range []string{dnssheet.Keep, dnssheet.Look, dnssheet.Remove, dnssheet.AddFirst, dnssheet.Change} {
		sheet.Actions = append(sheet.Actions, dnssheet.Action{Domain: name, Account: name, Rule: "rule", Record: text, Records: records, Do: do, Needed: do != dnssheet.Keep,
			Who: text, When: "before", Phase: "migrate", By: at, TTL: time.Hour, To: []string{text}, Why: text, Error: text, Managed: dnssheet.ByOwner})
	}
	v.DNS(sheet, cfg, text)
	v.DNS(&dnssheet.Sheet{}, cfg, "")
	n := &notice.Notice{Account: name, Contact: text, Moves: []notice.Move{{}}, Altered: []plan.Altered{{Object: text}}}
	v.Notices(NoticesDocument{Migration: text, Notices: []NoticeText{{Notice: n, Text: notice.Text{Subject: text, Body: text}}}, Done: []string{name}})
	v.Notices(NoticesDocument{Dir: text, Files: []string{text}, NoCalendar: text})
}

// The smaller commands keep to the same law.
func TestEightyColumnsOfCommands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, name := hostile().Draw(t, "text"), hostileName().Draw(t, "name")
		fits(t, show(Options{Verbose: rapid.Bool().Draw(t, "verbose")}, func(v *View) { showSmall(v, text, name, time.Unix(1e9, 0)) }))
	})
}

// For programs each of them is JSON and says its version.
func TestCommandsForPrograms(t *testing.T) {
	out := show(Options{JSON: true}, func(v *View) { showSmall(v, nasty, nasty, time.Unix(1e9, 0)) })
	dec := json.NewDecoder(strings.NewReader(out))
	n := 0
	for dec.More() {
		var doc map[string]any
		if err := dec.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		if doc["format_version"] != FormatVersion {
			t.Errorf("document without its version: %v", doc)
		}
		n++
	}
	if n != 9 {
		t.Errorf("%d documents", n)
	}
}
