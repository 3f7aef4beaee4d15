package hclfile

import (
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the machine may have no time zones of its own

	"github.com/hashicorp/hcl/v2"

	"github.com/stopover/stopover/schema"
)

func (d *decoder) windowBlock(n *node) schema.Window {
	d.referable(n)
	out := d.span24(n)
	out.Name, out.Dates, out.Phases = n.label, d.days(n, "dates"), d.someTexts(n, "phases")
	for _, day := range out.Dates {
		if slices.Contains(out.Except, day) {
			d.wrong(n.at("except"), n, "Day both in and out", "%s is in \"dates\" and in \"except\". Take it out of one of them.", day)
		}
	}
	return out
}

// working reads the working hours of a process.
func (d *decoder) working(n *node) *schema.Window {
	out := d.span24(n)
	out.Name = n.spec.Name
	return &out
}

// span24 reads what a window and working hours have in common.
func (d *decoder) span24(n *node) schema.Window {
	out := schema.Window{
		Days:     d.someTexts(n, "days"),
		Except:   d.days(n, "except"),
		From:     d.clock(n, "from"),
		To:       d.clock(n, "to"),
		Timezone: d.timezone(n, "timezone"),
		Pos:      pos(n.defRange),
	}
	if out.From != "" && out.From == out.To {
		d.wrong(n.at("to"), n, "Window without length", "It closes at %s, when it opens. For a whole day write from = \"00:00\" and to = \"24:00\".", out.To)
	}
	if out.To == "24:00" {
		out.To = "00:00"
	}
	slices.SortFunc(out.Days, func(a, b string) int { return slices.Index(weekdays(), a) - slices.Index(weekdays(), b) })
	return out
}

// clock reads a time of day; "" if there is none. 24:00 is the end of a day.
func (d *decoder) clock(n *node, name string) string {
	s, ok := d.given(n, name)
	if !ok {
		return ""
	}
	if t, err := time.Parse("15:04", s); err == nil && len(s) == len("15:04") {
		return t.Format("15:04")
	}
	if s == "24:00" && name == "to" {
		return s
	}
	d.wrong(n.at(name), n, "Not a time of day", "%q is not a time of day. Write hours and minutes, with two digits each: %s", s, n.spec.Attr(name).Example)
	return ""
}

// timezone reads the name of a time zone; "" if there is none.
func (d *decoder) timezone(n *node, name string) string {
	s, ok := d.given(n, name)
	if !ok {
		return ""
	}
	_, err := time.LoadLocation(s)
	if err == nil && s != "" && s != "Local" {
		return s
	}
	hint := "Take a name of the IANA database: Europe/Paris, America/New_York, UTC."
	if near := nearestZone(s); near != "" {
		hint = "Did you mean \"" + near + "\"?"
	}
	d.wrong(n.at(name), n, "Unknown time zone", "There is no time zone %q. %s", s, hint)
	return ""
}

// nearestZone mends capital letters and spaces, which most mistakes are about.
// Nobody lists all zones.
func nearestZone(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == ' ' || r == '_' })
	parts := strings.Split(strings.Join(words, "_"), "/")
	for i, part := range parts {
		words := strings.Split(part, "_")
		for j, w := range words {
			words[j] = sentence(w)
		}
		parts[i] = strings.Join(words, "_")
	}
	for _, try := range []string{strings.Join(parts, "/"), strings.ToUpper(s)} {
		if _, err := time.LoadLocation(try); err == nil && try != "" && try != "Local" {
			return try
		}
	}
	for _, area := range []string{"Europe", "America", "Asia", "Africa", "Australia", "Pacific", "Atlantic", "Indian"} {
		if _, err := time.LoadLocation(area + "/" + parts[len(parts)-1]); err == nil && parts[len(parts)-1] != "" {
			return area + "/" + parts[len(parts)-1]
		}
	}
	return ""
}

// days reads a list of days, sorted.
func (d *decoder) days(n *node, name string) []string {
	list := d.texts(n, name)
	for _, s := range list {
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			d.wrong(n.at(name), n, "Not a date", "%q is not a date. Write year, month and day: %s", s, n.spec.Attr(name).Example)
			return nil
		}
	}
	slices.Sort(list)
	return list
}

// windowNames reads window = window.a, or windows = [window.a, window.b].
func (d *decoder) windowNames(n *node) []string {
	to := referable{"window", d.windows}
	if n.attrs["window"] != nil && n.attrs["windows"] != nil {
		d.wrong(n.attrs["windows"].NameRange, n, "Both window and windows", "\"window\" and \"windows\" say the same thing. Write one of them.")
		return nil
	}
	if name := d.reference(n, "window", to); name != "" {
		return []string{name}
	}
	attr := n.attrs["windows"]
	if attr == nil {
		return nil
	}
	list, diags := hcl.ExprList(attr.Expr)
	if diags.HasErrors() {
		if v, diags := attr.Expr.Value(d.context(n)); !diags.HasErrors() && v.IsKnown() && v.IsNull() {
			return nil
		}
		d.wrong(attr.Expr.Range(), n, "Not a list of references", "\"windows\" takes references to windows in brackets. For example: %s", n.spec.Attr("windows").Example)
		return nil
	}
	var out []string
	for _, expr := range list {
		name, ok := d.refersTo(n, "windows", expr, to)
		switch {
		case !ok || name == "":
		case slices.Contains(out, name):
			d.wrong(expr.Range(), n, "Named twice", "\"windows\" holds window.%s twice. Take one out.", name)
		default:
			out = append(out, name)
		}
	}
	if len(list) == 0 {
		d.wrong(attr.Expr.Range(), n, "Empty list", "\"windows\" needs at least one element, or nothing could ever begin. For example: %s", n.spec.Attr("windows").Example)
	}
	return out
}
