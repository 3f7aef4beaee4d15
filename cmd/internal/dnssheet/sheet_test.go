package dnssheet

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

var move = time.Date(2026, 12, 7, 1, 0, 0, 0, time.UTC)

// world is a migration whose accounts have a name of every sort.
func world(rules ...schema.DNSRule) (*plan.Plan, *schema.Inventory) {
	p := &plan.Plan{Migration: "spring", Config: &schema.Config{
		Servers:   []schema.Server{{Name: "client", Serves: []string{"192.0.2.10:443"}}},
		Processes: []schema.Process{{Name: "rules", Phases: []schema.ProcessPhase{{Name: schema.PhaseReinstall}}, Downtime: schema.DowntimeRule{Reroute: time.Minute}, DNS: rules}},
		Migration: schema.Migration{Name: "spring", Process: "rules", Source: "client", Transit: "transit"}},
		Accounts: []plan.AccountPlan{{Name: "shop"}, {Name: "blog"}},
		Steps:    []plan.Step{{Phase: schema.PhaseMigrate, Account: "shop", Group: "g"}},
		Phases:   []plan.PhaseState{{Name: schema.PhaseReinstall, State: plan.PhaseAhead}}}
	p.Dates.Timetable = []plan.Appointment{{Phase: schema.PhaseMigrate, Account: "shop", Begins: move}, {Phase: schema.PhaseFinish, Begins: move.Add(240 * time.Hour)}}
	inv := &schema.Inventory{Servers: map[string]*schema.FoundServer{
		"client": {Name: "client", Addresses: []string{"192.0.2.10", "2001:db8::10"}, Names: []string{"client.host.example"}, Accounts: []*schema.FoundAccount{
			{Name: "blog", Domains: []schema.Domain{{Name: "blog.example", DNS: "external"}}},
			{Name: "shop", Domains: []schema.Domain{{Name: "Shop.example.", DNS: "external"}, {Name: "own.example", DNS: "provider"}, {Name: "away.example"}},
				Mail: schema.Mail{Mailboxes: []string{"ann@shop.example", "ann@mail.example", "broken"}}},
		}},
		"transit": {Name: "transit", Addresses: []string{"192.0.2.20"}},
	}}
	return p, inv
}

func dns() *schema.FoundDNS {
	mx := func(pref uint16, value string) schema.DNSRecord {
		return schema.DNSRecord{Type: "MX", Value: value, Pref: pref, TTL: 2 * time.Hour}
	}
	return &schema.FoundDNS{Resolver: "192.0.2.53", Names: []schema.FoundName{
		{Name: "away.example", Managed: "external", Records: []schema.DNSRecord{{Type: "A", Value: "198.51.100.1", TTL: time.Hour}}},
		{Name: "blog.example", Managed: "external", Error: "the name server does not answer"},
		{Name: "mail.example", Managed: "external", Records: []schema.DNSRecord{mx(5, "client.host.example")}},
		{Name: "own.example", Managed: "provider", Records: []schema.DNSRecord{{Type: "A", Value: "192.0.2.10", TTL: time.Hour}}},
		{Name: "shop.example", Managed: "external", Records: []schema.DNSRecord{{Type: "A", Value: "192.0.2.10", TTL: time.Hour},
			{Type: "AAAA", Value: "2001:db8:0::10", TTL: 3 * time.Hour}, mx(5, "CLIENT.host.example"), mx(10, "mx1.host.example")}},
	}}
}

var (
	keep   = schema.DNSRule{Name: "external-address", Action: "keep", Record: "A, AAAA"}
	look   = schema.DNSRule{Name: "own-address", Action: "report", Record: "A, AAAA"}
	remove = schema.DNSRule{Name: "mx5", Action: "remove_before_migrate", Record: "MX 5"}
	change = schema.DNSRule{Name: "external-address", Action: "change_before_finish", Record: "A, AAAA"}
)

// lines is a sheet in short.
func lines(s *Sheet) []string {
	var out []string
	for _, a := range s.Actions {
		l := a.Domain + " " + a.Rule + ": " + a.Do + " " + a.State
		if a.Needed {
			l += " " + a.When + " " + a.Phase
		}
		if !a.By.IsZero() {
			l += " by " + a.By.Format("2 15:04")
		}
		if len(a.To) > 0 {
			l += " to " + strings.Join(a.To, " ")
		}
		out = append(out, l)
	}
	return out
}

func TestLookedUp(t *testing.T) {
	p, inv := world(keep, look, remove)
	inv.DNS = dns()
	s := Make(p, inv)
	want := []string{
		"away.example external-address: keep none",
		"blog.example external-address: keep unknown",
		"mail.example external-address: keep none",
		"mail.example mx5: add_first found before migrate by 6 23:00", // it is the only one
		"own.example own-address: look found before migrate by 7 00:00",
		"shop.example external-address: keep found",
		"shop.example mx5: remove found before migrate by 6 23:00",
	}
	if d := cmp.Diff(want, lines(s)); d != "" {
		t.Error(d)
	}
	if s.Needed() != 3 || s.Reroute != time.Minute || !s.Asked || len(s.Of("blog")) != 1 || len(s.Only(func(a string) bool { return a == "blog" }).Actions) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestNotLookedUp(t *testing.T) {
	p, inv := world(keep, look, remove)
	s := Make(p, inv)
	want := []string{
		"away.example external-address: keep unknown",
		"blog.example external-address: keep unknown",
		"mail.example external-address: keep unknown",
		"mail.example mx5: remove unknown before migrate by 7 01:00",
		"own.example own-address: look unknown before migrate by 7 01:00",
		"shop.example external-address: keep unknown",
		"shop.example mx5: remove unknown before migrate by 7 01:00",
	}
	if d := cmp.Diff(want, lines(s)); d != "" {
		t.Error(d)
	}
	if s.Asked {
		t.Error("DNS was not asked")
	}
}

func TestOneWay(t *testing.T) {
	p, inv := world(change)
	p.Config.Processes[0].Phases = nil
	inv.DNS = dns()
	s := Make(p, inv)
	want := []string{
		"away.example external-address: keep none",
		"blog.example external-address: change unknown before finish by 17 01:00 to 192.0.2.20",
		"mail.example external-address: keep none",
		"shop.example external-address: change found before finish by 16 22:00 to 192.0.2.20",
	}
	if d := cmp.Diff(want, lines(s)); d != "" {
		t.Error(d)
	}
	if s.Reroute != 0 {
		t.Errorf("nothing is rerouted: %v", s.Reroute)
	}
}

// What had to be done before an account moved is late once it has, and senseless
// once the source was reinstalled.
func TestLate(t *testing.T) {
	p, inv := world(remove)
	inv.DNS = dns()
	p.Steps, p.Dates.Timetable = nil, nil
	if d := cmp.Diff([]string{"mail.example mx5: add_first found now migrate", "shop.example mx5: remove found now migrate"}, lines(Make(p, inv))); d != "" {
		t.Error(d)
	}
	p.Phases[0].State = plan.PhaseDone
	if s := Make(p, inv); len(s.Actions) != 0 {
		t.Errorf("%v", lines(s))
	}
}

// A server whose names nobody knows may be meant by any MX.
func TestNamelessServer(t *testing.T) {
	p, inv := world(remove)
	inv.DNS, inv.Servers["client"].Names = dns(), nil
	if s := Make(p, inv); len(s.Actions) != 2 || !s.Actions[1].Needed {
		t.Errorf("%v", lines(s))
	}
}

func TestTable(t *testing.T) {
	p, inv := world(keep, remove)
	inv.DNS = dns()
	p.Accounts = append(p.Accounts, plan.AccountPlan{Name: "=1+1\n"})
	inv.Servers["transit"].Accounts = []*schema.FoundAccount{{Name: "=1+1\n", Domains: []schema.Domain{{Name: "-evil\r\n.example"}}}}
	b, err := Make(p, inv).Table()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil || len(rows) != 1+7 || len(rows[1]) != len(Columns()) {
		t.Fatalf("%d rows, %v\n%s", len(rows), err, b)
	}
	for _, r := range rows {
		for _, c := range r {
			if strings.ContainsAny(c, "\r\n") || c != "" && strings.ContainsRune("=-+@", rune(c[0])) {
				t.Errorf("cell %q", c)
			}
		}
	}
}
