package hclfile

import (
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/stopover/stopover/schema"
)

// accounts decodes account blocks, lists of accounts and patterns.
func (d *decoder) accounts(n *node) ([]schema.Account, []schema.AccountsPattern) {
	stays := map[string]*node{}
	for k := range n.each("stays") {
		stays[k.label] = k
	}
	spelled := spelling{}
	var nodes []*node
	for k := range n.each("account") {
		nodes = append(nodes, k)
		spelled.add(k.label)
	}
	written := len(nodes)
	lists := newLists(nodes)
	var patterns []schema.AccountsPattern
	for k := range n.each("accounts") {
		p, rows := d.pattern(k, lists)
		if len(p.Include) > 0 {
			patterns = append(patterns, p)
		}
		for _, r := range rows {
			spelled.add(r.label)
		}
		nodes = append(nodes, rows...)
	}
	var out []schema.Account
	for i, k := range nodes {
		d.foundName(k)
		if s := stays[k.label]; s != nil {
			d.wrong(k.labelRange, k, "Account both moves and stays",
				"%q has a stays block at %s. Take out that one, or this one.", k.label, place(s.defRange))
		}
		a := schema.Account{
			Name:           k.label,
			After:          d.after(k, spelled, stays),
			DowntimeBudget: d.duration(k, "downtime_budget"),
			OnExceed:       d.text(k, "on_exceed"),
			Contact:        d.words(k, "contact"),
			Language:       d.text(k, "language"),
			Pos:            pos(k.defRange),
		}
		if i < written {
			a.Windows, a.Probes = d.windowNames(k), d.probes(k)
		} else {
			a.Windows = d.rowWindows(k)
			lists.standard(k, &a)
		}
		d.exceeds(k, a.OnExceed, a.DowntimeBudget)
		out = append(out, a)
	}
	d.circles(nodes, out)
	for k := range n.each("accounts") {
		d.moreRows(k)
	}
	return out, patterns
}

// exceeds refuses an answer to a question that is never asked.
func (d *decoder) exceeds(n *node, onExceed string, budget time.Duration) {
	if onExceed != "" && budget == 0 && n.attrs["on_exceed"] != nil && n.attrs["downtime_budget"] == nil && !n.meant["downtime_budget"] {
		d.wrong(n.at("on_exceed"), n, "Nothing to exceed", "\"on_exceed\" needs \"downtime_budget\". For example: %s", n.spec.Attr("downtime_budget").Example)
	}
}

// foundName checks a name that is found on servers, and so may hold nearly
// anything.
func (d *decoder) foundName(n *node) {
	if strings.ContainsRune(n.label, 0) {
		d.wrong(n.labelRange, n, "Bad name", "The name %q holds a null character, which no account can have.", n.label)
		return
	}
	if _, err := schema.EscapeName(n.label); err != nil {
		d.wrong(n.labelRange, n, "Bad name", "This name is too long for an account: escaped, as in the names of steps, it has more than %d bytes.", schema.MaxEscapedName)
	}
}

// spelling finds the name of a block for a value that hcl evaluated: values are
// normalised (NFC), labels stay as they were written, as names on servers do.
type spelling map[string]string

func (s spelling) add(label string) {
	key := cty.NormalizeString(label)
	if _, ok := s[key]; !ok || key == label {
		s[key] = label
	}
}

func (s spelling) of(value string) string {
	if label, ok := s[value]; ok {
		return label
	}
	return value
}

func (d *decoder) after(n *node, spelled spelling, stays map[string]*node) []string {
	out := d.texts(n, "after")
	for i, name := range out {
		out[i] = spelled.of(name)
		if out[i] == n.label {
			d.wrong(n.at("after"), n, "Account waits for itself", "%q is in its own \"after\". Take it out.", n.label)
			return nil
		}
		if s := stays[out[i]]; s != nil {
			d.wrong(n.at("after"), n, "Account waits for one that stays",
				"%q waits for %q, which does not move, see %s. Take it out of \"after\".", n.label, out[i], place(s.defRange))
			return nil
		}
	}
	return out
}

// circles reports accounts that wait for each other, once per circle and in the
// order of waiting, at the account that was declared first.
func (d *decoder) circles(nodes []*node, accounts []schema.Account) {
	index := make(map[string]int, len(accounts))
	for i := range accounts {
		index[accounts[i].Name] = i
	}
	const (
		unseen = iota
		open
		done
	)
	state := make([]int, len(accounts))
	next := make([]int, len(accounts)) // of accounts[i].After
	for root := range accounts {
		if state[root] != unseen {
			continue
		}
		path := []int{root}
		state[root] = open
		for len(path) > 0 {
			at := path[len(path)-1]
			if next[at] == len(accounts[at].After) {
				state[at] = done
				path = path[:len(path)-1]
				continue
			}
			to, ok := index[accounts[at].After[next[at]]]
			next[at]++
			switch {
			case !ok || state[to] == done:
			case state[to] == open:
				d.circle(nodes, path[slices.Index(path, to):])
			default:
				state[to] = open
				path = append(path, to)
			}
		}
	}
}

func (d *decoder) circle(nodes []*node, path []int) {
	first := slices.Index(path, slices.Min(path))
	path = append(slices.Clone(path[first:]), path[:first]...)
	const most = 12
	var names []string
	for i, at := range path {
		if i == most && len(path) > most+1 {
			names = append(names, "…")
			break
		}
		names = append(names, quoted([]string{nodes[at].label}, ""))
	}
	n := nodes[path[0]]
	names = append(names, quoted([]string{n.label}, ""))
	d.wrong(n.at("after"), n, "Accounts wait for each other",
		"None of these accounts could be the first to move: %s. Take one out of an \"after\".", strings.Join(names, " waits for "))
}

// pattern decodes one accounts block: its patterns, and the accounts of its list.
func (d *decoder) pattern(n *node, lists *lists) (schema.AccountsPattern, []*node) {
	out := schema.AccountsPattern{
		Include:        d.globs(n, "include", d.someTexts(n, "include")),
		Exclude:        d.globs(n, "exclude", d.texts(n, "exclude")),
		DowntimeBudget: d.duration(n, "downtime_budget"),
		OnExceed:       d.text(n, "on_exceed"),
		Windows:        d.windowNames(n),
		Language:       d.text(n, "language"),
		Probes:         d.probes(n),
		Pos:            pos(n.defRange),
	}
	d.exceeds(n, out.OnExceed, out.DowntimeBudget)
	if n.attrs["include"] == nil && n.attrs["from"] == nil && !n.unread && !n.meant["include"] && !n.meant["from"] {
		d.wrong(n.defRange, n, "Missing argument", "The \"accounts\" block needs \"include\", patterns of names that move, or \"from\", a list of accounts. For example: %s", n.spec.Attr("include").Example)
	}
	return out, d.rows(n, out, lists)
}

func (d *decoder) globs(n *node, name string, patterns []string) []string {
	for _, p := range patterns {
		if _, err := schema.ParseGlob(p); err != nil {
			d.wrong(n.at(name), n, "Bad pattern", "%s.", sentence(err.Error()))
		}
	}
	return patterns
}

func (d *decoder) approvals(n *node) []schema.Approval {
	type key struct{ gate, evidence string }
	seen := map[key]*node{}
	var out []schema.Approval
	for k := range n.each("approval") {
		d.gate(k)
		a := schema.Approval{
			Gate:     k.label,
			By:       d.words(k, "by"),
			Evidence: d.words(k, "evidence"),
			When:     d.instant(k, "when"),
			Note:     d.text(k, "note"),
			Pos:      pos(k.defRange),
		}
		id := key{a.Gate, a.Evidence}
		if first := seen[id]; first != nil && a.Evidence != "" {
			d.wrong(k.defRange, k, "Duplicate approval block", "The same evidence of this gate is approved at %s already. Take one out.", place(first.defRange))
			continue
		}
		seen[id] = k
		out = append(out, a)
	}
	return out
}

// gate checks the form phase.what[object], with the object escaped as status
// prints it.
func (d *decoder) gate(n *node) {
	phase, rest, ok := strings.Cut(n.label, ".")
	if ok && !slices.Contains(schema.Phases(), phase) {
		d.wrong(n.labelRange, n, "Unknown gate", "There is no phase %q. %s", phase, known(phase, schema.Phases(), "The phases are "+quoted(schema.Phases(), "and")+"."))
		return
	}
	what, object, bracket := strings.Cut(rest, "[")
	object, closed := strings.CutSuffix(object, "]")
	if !ok || what == "" || !bracket || !closed || object == "" || !plainName(what) {
		d.wrong(n.labelRange, n, "Unknown gate", "%q is not the name of a gate. Write it as status prints it, for example verify.accept[shop].", n.label)
		return
	}
	if _, err := schema.UnescapeName(object); err != nil {
		right, err := schema.EscapeName(object)
		if err != nil {
			right = "…"
		}
		d.wrong(n.labelRange, n, "Unknown gate", "Names in gates are escaped as status prints them: %s.%s[%s].", phase, what, right)
	}
}

func (d *decoder) instant(n *node, name string) time.Time {
	s := d.text(n, name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		d.wrong(n.at(name), n, "Not a time", "%q is not a time. Write date, time and offset: %s", s, n.spec.Attr(name).Example)
		return time.Time{}
	}
	return t.UTC()
}
