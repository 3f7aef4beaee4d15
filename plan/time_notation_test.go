package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// applyTime does what the section `time` of a case says: testdata/README.md.
func applyTime(t *testing.T, in *Input, text string) {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		w := fields(t, line)
		if len(w) == 0 {
			continue
		}
		v := values(w[1:])
		switch w[0] {
		case "now":
			in.Now = instant(t, w[1])
		case "window":
			x := timeWindow(v)
			x.Name = w[1]
			in.Config.Windows = append(in.Config.Windows, x)
		case "migration":
			m := &in.Config.Migration
			m.FinishBy, m.ForcedOn, m.HandoverOn, m.Timezone, m.Windows = v["finish_by"], v["forced_on"], v["handover_on"], v["zone"], names(v["windows"])
		case "account":
			timeAccount(t, in.Config, w[1], v)
		case "pattern":
			in.Config.Migration.Patterns[0].Windows = names(v["windows"])
		case "process":
			timeProcess(t, in.Config.Process(), v)
		case "working":
			x := timeWindow(v)
			in.Config.Process().Working = &x
		case "price":
			in.Config.Server(w[1]).Price = strings.ReplaceAll(w[2], "_", " ")
		default:
			timeFact(t, in, w, v)
		}
	}
}

// timeFact adds what is remembered with a time of its own.
func timeFact(t *testing.T, in *Input, w []string, v map[string]string) {
	t.Helper()
	f := schema.Fact{Value: json.RawMessage("true")}
	switch w[0] {
	case "handover":
		f.ID, f.Kind, f.At = schema.FactHandover, schema.FactHandover, instant(t, w[1])
	case "asked":
		gate := GateID(schema.PhaseRequest, "transit", in.Config.Migration.Transit)
		f.ID, f.Kind, f.At = ApprovalID(gate, "sha256:0"), schema.FactApproval, instant(t, w[1])
		f.Value, _ = json.Marshal(schema.Approval{Gate: string(gate), By: "ann", Evidence: "sha256:0"})
	case "reinstalled":
		f.ID, f.Kind, f.At = schema.FactReinstall, schema.FactReinstall, instant(t, w[1])
	case "migrated":
		e := number64(t, w[2][1:])
		f.ID, f.Kind, f.Account, f.At = MigratedID(w[1], e), schema.FactMigrated, w[1], instant(t, w[3])
		f.Value, _ = json.Marshal(schema.MigratedFact{Epoch: e, Downtime: lasting(t, v["down"])})
	default:
		t.Fatalf("time: %s", w)
	}
	in.Past.Facts = schema.UnionFacts(in.Past.Facts, []schema.Fact{f})
}

func values(words []string) map[string]string {
	v := map[string]string{}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		v[key] = value
	}
	return v
}

func names(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

func lasting(t *testing.T, s string) time.Duration {
	t.Helper()
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	out, err := time.Parse("2006-01-02T15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func timeWindow(v map[string]string) schema.Window {
	return schema.Window{Days: names(v["days"]), Dates: names(v["dates"]), Except: names(v["except"]), From: v["from"], To: v["to"], Timezone: v["zone"], Phases: names(v["phases"])}
}

// timeAccount sets what concerns time of an account block, which is added where
// there is none.
func timeAccount(t *testing.T, cfg *schema.Config, name string, v map[string]string) {
	t.Helper()
	m := &cfg.Migration
	i := slices.IndexFunc(m.Accounts, func(a schema.Account) bool { return a.Name == name })
	if i < 0 {
		m.Accounts = append(m.Accounts, schema.Account{Name: name})
		i = len(m.Accounts) - 1
	}
	a := &m.Accounts[i]
	a.Windows, a.After, a.OnExceed, a.DowntimeBudget = names(v["windows"]), names(v["after"]), v["exceed"], lasting(t, v["budget"])
}

// timeProcess changes rules of the process: PHASE.parallel, PHASE.hours,
// PHASE.lasts, free, starts, stops, divisor, relocation_free.
func timeProcess(t *testing.T, p *schema.Process, v map[string]string) {
	t.Helper()
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for key, s := range v {
		phase, what, ok := strings.Cut(key, ".")
		switch {
		case ok && what == "parallel":
			p.Phase(phase).Parallel = number(s)
		case ok && what == "hours":
			p.Phase(phase).Hours = s
		case ok && what == "lasts":
			p.Phase(phase).Lasts = []time.Duration{lasting(t, s)}
		case key == "free":
			p.Free.Days = number(s)
		case key == "starts":
			p.Free.Starts = s
		case key == "stops":
			p.Free.Stops = s
		case key == "divisor":
			p.Free.Divisor = s
		case key == "relocation_free":
			p.Relocation.FreeDays = number(s)
		default:
			t.Fatalf("process: %s", key)
		}
	}
}

// renderDates is when things happen, as text.
func renderDates(d *Dates) string {
	var out strings.Builder
	for _, a := range d.Timetable {
		renderAppointment(&out, &a)
	}
	switch {
	case d.FromHand != "":
		fmt.Fprintf(&out, "ends %s from the hand-over", d.FromHand)
	case !d.Ends.IsZero():
		fmt.Fprintf(&out, "ends %s", stamp(d.Ends))
	default:
		out.WriteString("ends: not known")
	}
	if d.Earliest {
		out.WriteString(" at the earliest")
	}
	out.WriteByte('\n')
	if !d.Handover.IsZero() {
		fmt.Fprintf(&out, "handover %s", stamp(d.Handover))
		if d.Promised {
			out.WriteString(", promised")
		}
		out.WriteByte('\n')
	}
	for _, l := range d.Deadlines {
		fmt.Fprintf(&out, "deadline %s at %s", l.What, stamp(l.At))
		if !l.Ends.IsZero() {
			fmt.Fprintf(&out, ", done %s", stamp(l.Ends))
		}
		if l.Slack != 0 {
			fmt.Fprintf(&out, ", slack %s", l.Slack.Round(time.Minute))
		}
		if l.Missed {
			out.WriteString(", missed")
		}
		if l.Why != "" {
			out.WriteString(": " + plain(l.Why))
		}
		out.WriteByte('\n')
	}
	if c := d.Cost; c != nil {
		fmt.Fprintf(&out, "cost: %d days free", c.FreeDays)
		if !c.FreeEnds.IsZero() {
			fmt.Fprintf(&out, " until %s, %d used, %d over", stamp(c.FreeEnds), c.Used, c.Overrun)
		}
		fmt.Fprintf(&out, "; %d %s a day, %d in all", c.PerDay, c.Currency, c.Total)
		if c.Why != "" {
			out.WriteString(" (" + c.Why + ")")
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func renderAppointment(out *strings.Builder, a *Appointment) {
	switch {
	case a.Relative:
		fmt.Fprintf(out, "hand-over +%s", a.After.Round(time.Second))
	default:
		out.WriteString(stamp(a.Begins))
	}
	fmt.Fprintf(out, " %s: %s, takes %s", a.Phase, plain(a.What), a.Takes.Round(time.Second))
	if a.Downtime > 0 {
		fmt.Fprintf(out, ", down %s", a.Downtime.Round(time.Millisecond))
	}
	if a.Window != "" {
		out.WriteString(", in " + a.Window)
	}
	if a.Waited != "" {
		out.WriteString(", waited for " + a.Waited)
	}
	if a.Earliest {
		out.WriteString(", at the earliest")
	}
	out.WriteByte('\n')
}

func stamp(t time.Time) string { return t.UTC().Format("Mon 2006-01-02 15:04:05") }
