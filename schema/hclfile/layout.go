package hclfile

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/layout"
)

// Bounds and standards of a layout that is like no other one.
const (
	leastUID     = 1000
	mostUID      = 59999
	highestUID   = 1<<32 - 3 // the next two stand for nobody and for an error
	postgresUser = "postgres"
)

// layoutList is one list of a layout: where it is kept, which names may stand
// between braces, and what its elements are.
type layoutList struct {
	name  string
	into  func(*schema.Layout) *[]string
	names []string // that may stand between braces
	needs string   // one of them without which it would fit every account
	plain bool     // names of users or databases, not paths
}

func layoutLists() []layoutList {
	own := []string{"account", "home"}
	mail := []string{"account", "home", "domain", "user"}
	account := []string{"account"}
	return []layoutList{
		{name: "homes", into: func(l *schema.Layout) *[]string { return &l.Homes }, names: account},
		{name: "exclude", into: func(l *schema.Layout) *[]string { return &l.Exclude }, plain: true},
		{name: "mail", into: func(l *schema.Layout) *[]string { return &l.Mail }, names: mail},
		{name: "mail_users", into: func(l *schema.Layout) *[]string { return &l.MailUsers }, names: mail[:3]},
		{name: "mail_logs", into: func(l *schema.Layout) *[]string { return &l.MailLogs }},
		{name: "mail_queue", into: func(l *schema.Layout) *[]string { return &l.MailQueue }},
		{name: "nginx", into: func(l *schema.Layout) *[]string { return &l.Nginx }, names: own},
		{name: "apache", into: func(l *schema.Layout) *[]string { return &l.Apache }, names: own},
		{name: "pools", into: func(l *schema.Layout) *[]string { return &l.Pools }, names: own},
		{name: "certificates", into: func(l *schema.Layout) *[]string { return &l.Certificates }, names: own},
		{name: "renewals", into: func(l *schema.Layout) *[]string { return &l.Renewals }, names: own},
		{name: "crontabs", into: func(l *schema.Layout) *[]string { return &l.Crontabs }, names: own},
		{name: "units", into: func(l *schema.Layout) *[]string { return &l.Units }, names: own},
		{name: "keys", into: func(l *schema.Layout) *[]string { return &l.Keys }, names: own},
		{name: "ftp_users", into: func(l *schema.Layout) *[]string { return &l.FTPUsers }, names: own},
		{name: "backups", into: func(l *schema.Layout) *[]string { return &l.Backups }, names: own, needs: "account"},
		{name: "databases", into: func(l *schema.Layout) *[]string { return &l.Databases }, names: account, needs: "account", plain: true},
		{name: "database_users", into: func(l *schema.Layout) *[]string { return &l.DatabaseUsers }, names: account, needs: "account", plain: true},
		{name: "mariadb", into: func(l *schema.Layout) *[]string { return &l.MariaDB }},
		{name: "postgresql", into: func(l *schema.Layout) *[]string { return &l.PostgreSQL }},
		{name: "settings", into: func(l *schema.Layout) *[]string { return &l.Settings }},
		{name: "residue", into: func(l *schema.Layout) *[]string { return &l.Residue }},
		{name: "ignore", into: func(l *schema.Layout) *[]string { return &l.Ignore }},
	}
}

// Layout returns a built-in layout, resolved, and false if there is none of that
// name.
func Layout(name string) (schema.Layout, bool) {
	src, ok := layout.Builtin(name)
	if !ok {
		return schema.Layout{}, false
	}
	file := name + ".hcl"
	d := newDecoder(map[string][]byte{file: src}, &source{})
	root := d.parse([]string{file})
	if root == nil || root.first("layout") == nil {
		panic("hclfile: built-in layout " + name + ": " + d.diags[0].Detail) // the tests parse each of them
	}
	out := d.layouts(root)
	if d.failed {
		panic("hclfile: built-in layout " + name + ": " + d.diags[0].Detail)
	}
	return out[0], true
}

// Layouts returns every built-in layout, resolved, by name.
func Layouts() []schema.Layout {
	var out []schema.Layout
	for _, name := range layout.Names() {
		l, _ := Layout(name)
		out = append(out, l)
	}
	return out
}

// optionLayout is the type of a provider's option that names a layout.
const optionLayout = "layout"

func (d *decoder) isLayout(name string) bool {
	return slices.Contains(d.layoutNames, name) || slices.Contains(layout.Names(), name)
}

func (d *decoder) notBuiltinLayout(n *node) {
	if slices.Contains(layout.Names(), n.label) {
		d.wrong(n.labelRange, n, "Name of a built-in layout",
			"%q is a built-in layout, and has to mean the same everywhere. Give yours another name, with like = %q, and name that one in the server.", n.label, n.label)
	}
}

// usedLayouts adds the built-in layouts that servers use, so that a saved plan
// holds all that its servers are looked at by.
func (d *decoder) usedLayouts(cfg *schema.Config) {
	for i := range cfg.Servers {
		kind, ok := d.kind(cfg.Servers[i].Provider)
		if !ok {
			continue
		}
		for _, o := range kind.Options {
			if o.Type != optionLayout {
				continue
			}
			name := cfg.Servers[i].Options[o.Name]
			if name == "" {
				name = o.Default
			}
			if slices.ContainsFunc(cfg.Layouts, func(l schema.Layout) bool { return l.Name == name }) {
				continue
			}
			if l, ok := Layout(name); ok {
				cfg.Layouts = append(cfg.Layouts, l)
			}
		}
	}
}

// layouts decodes all layouts, in order, each with what it takes from the one
// that it is like.
func (d *decoder) layouts(root *node) []schema.Layout {
	r := layoutReader{d: d, nodes: map[string]*node{}, done: map[string]*schema.Layout{}, open: map[string]bool{}, vague: map[string]bool{}}
	var names []string
	for n := range root.each("layout") {
		names = append(names, n.label)
		r.nodes[n.label] = n
	}
	var out []schema.Layout
	for _, name := range names {
		out = append(out, *r.layout(name))
	}
	return out
}

type layoutReader struct {
	d     *decoder
	nodes map[string]*node
	done  map[string]*schema.Layout
	open  map[string]bool // being decoded
	vague map[string]bool // what these are like is not known
}

func (r *layoutReader) layout(name string) *schema.Layout {
	if l := r.done[name]; l != nil {
		return l
	}
	n := r.nodes[name]
	r.open[name] = true
	defer delete(r.open, name)
	r.d.made(n)
	out, ok := r.like(n)
	out.Name, out.Pos = name, pos(n.defRange)
	r.d.layoutInto(n, &out)
	if ok && len(out.Homes) == 0 && n.attrs["homes"] == nil && !n.meant["homes"] && !n.unread {
		r.d.missing(n, *n.spec.Attr("homes"))
	}
	r.done[name], r.vague[name] = &out, !ok
	return &out
}

// like is what a layout begins as. It is false where that could not be found out,
// so that nothing that is missing is complained about.
func (r *layoutReader) like(n *node) (schema.Layout, bool) {
	none := schema.Layout{MinUID: leastUID, MaxUID: mostUID, PostgresUser: postgresUser}
	for _, list := range layoutLists() {
		*list.into(&none) = []string{} // a list that is empty, in JSON too
	}
	name := r.d.words(n, "like")
	switch {
	case name == "":
		return none, n.attrs["like"] == nil
	case name == n.label && n.label != "":
		r.d.wrong(n.at("like"), n, "Layout like itself", "%s is like itself, so nothing says what it leaves out. Name another layout, or take \"like\" out.", n.title())
		return none, false
	case r.open[name]:
		r.d.wrong(n.at("like"), n, "Layouts in a circle", "Layout %q is like this one, directly or through others, so neither says what it leaves out. Take \"like\" out of one of them.", name)
		return none, false
	case r.nodes[name] != nil:
		l := *r.layout(name)
		l.Doc = ""
		return l, !r.vague[name]
	}
	if l, ok := Layout(name); ok {
		l.Doc = ""
		return l, true
	}
	names := slices.Sorted(maps.Keys(r.nodes))
	r.d.unknownLayout(n, n.at("like"), name, slices.DeleteFunc(names, func(s string) bool { return s == n.label }))
	return none, false
}

func (d *decoder) unknownLayout(n *node, at hcl.Range, name string, own []string) {
	names := append(layout.Names(), own...)
	slices.Sort(names)
	d.wrong(at, n, "Unknown layout", "There is no layout %q. %s", name, known(name, names, "There are "+quoted(names, "and")+"."))
}

// layoutInto puts what a block says over what the layout is already.
func (d *decoder) layoutInto(n *node, l *schema.Layout) {
	if s := d.words(n, "doc"); s != "" {
		l.Doc = s
	}
	if s := d.words(n, "postgres_user"); s != "" {
		l.PostgresUser = s
	}
	if v, ok := d.number(n, "min_uid", 0, highestUID); ok {
		l.MinUID = v
	}
	if v, ok := d.number(n, "max_uid", 0, highestUID); ok {
		l.MaxUID = v
	}
	if l.MinUID > l.MaxUID {
		at := "max_uid"
		if n.attrs[at] == nil {
			at = "min_uid"
		}
		d.wrong(n.at(at), n, "No uid in between", "Accounts have uids from %d to %d here, which is none. Make \"min_uid\" the smaller one.", l.MinUID, l.MaxUID)
	}
	for _, list := range layoutLists() {
		if n.attrs[list.name] == nil || d.isNull(n, list.name) {
			continue
		}
		texts := d.texts(n, list.name)
		for _, s := range texts {
			d.layoutPath(n, list, s)
		}
		*list.into(l) = append([]string{}, texts...)
	}
}

// braces finds what stands between braces.
var braces = regexp.MustCompile(`\{[^{}]*\}|[{}]`)

// layoutPath checks one element of a list. One complaint about each will do.
func (d *decoder) layoutPath(n *node, list layoutList, s string) {
	at := n.at(list.name)
	for _, found := range braces.FindAllString(s, -1) {
		name := strings.Trim(found, "{}")
		if name != "" && slices.Contains(list.names, name) {
			continue
		}
		if len(list.names) == 0 {
			d.wrong(at, n, "Name in braces", "%q holds %q, and nothing is filled in in %q. Write what is there on the server.", s, found, list.name)
			return
		}
		d.wrong(at, n, "Unknown name in braces", "%q holds %q. %s", s, found,
			known(name, list.names, "In "+quoted([]string{list.name}, "")+" can stand "+listed(braced(list.names), "and")+"."))
		return
	}
	filled := braces.ReplaceAllString(s, "x")
	switch _, err := filepath.Match(filled, "x"); {
	case s != printable([]byte(s)) || strings.ContainsAny(s, "\t\n"):
		d.wrong(at, n, "Not a path", "%q holds characters that cannot be printed.", s)
	case err != nil:
		d.wrong(at, n, "Not a pattern", "%q is not a pattern: a \"[\" without its \"]\", or a \"\\\" at the end.", s)
	case list.needs != "" && !strings.Contains(s, "{"+list.needs+"}"):
		d.wrong(at, n, "Belongs to everybody", "%q fits every account, since {%s} is not in it. For example: %s", s, list.needs, n.spec.Attr(list.name).Example)
	case list.plain && strings.Contains(s, "/"):
		d.wrong(at, n, "Not a name", "%q holds a \"/\", and %q takes names. For example: %s", s, list.name, n.spec.Attr(list.name).Example)
	case list.plain:
	case !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "{home}/"):
		d.wrong(at, n, "Not an absolute path", "%q does not begin with \"/\"%s. For example: %s", s, orHome(list), n.spec.Attr(list.name).Example)
	case filled != "/" && filepath.Clean(filled) != filled:
		d.wrong(at, n, "Not a plain path", "%q holds \"..\", \".\", or a \"/\" too many. Write the path as the server shows it.", s)
	}
}

func braced(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = "{" + n + "}"
	}
	return out
}

func orHome(list layoutList) string {
	if slices.Contains(list.names, "home") {
		return " or \"{home}/\""
	}
	return ""
}
