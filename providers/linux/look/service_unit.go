//go:build linux

package look

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// unit is one unit of systemd with its drop-ins, or what supervisor has of the
// same kind.
type unit struct {
	name  string // with the instance: "app@shop.service"
	file  string
	owner *account // in whose home it lies
	set   []entry
	on    bool
}

// get returns the last setting of a key; an empty one takes back those before.
func (u *unit) get(section, key string) string {
	v := ""
	for _, e := range u.set {
		if e.section == section && strings.EqualFold(e.key, key) {
			v = e.value
		}
	}
	return u.instance(v)
}

// all returns every setting of a key since it was last emptied.
func (u *unit) all(section, key string) (list []string) {
	for _, e := range u.set {
		if e.section == section && strings.EqualFold(e.key, key) {
			if e.value == "" {
				list = nil
				continue
			}
			list = append(list, u.instance(e.value))
		}
	}
	return list
}

// instance puts the parts of the unit's name where its text asks for them.
func (u *unit) instance(v string) string {
	if !strings.Contains(v, "%") {
		return v
	}
	base := strings.TrimSuffix(u.name, filepath.Ext(u.name))
	prefix, inst, _ := strings.Cut(base, "@")
	home := ""
	if u.owner != nil {
		home = u.owner.home
	}
	out := strings.NewReplacer("%%", "%", "%i", inst, "%I", strings.ReplaceAll(inst, "-", "/"), "%n", u.name, "%N", base, "%p", prefix, "%P", prefix, "%h", home, "%u", u.user()).Replace(v)
	return out[:min(len(out), maxLineSize)]
}

func (u *unit) user() string {
	if u.owner != nil {
		return u.owner.Name
	}
	return ""
}

// maxUnits is as many units as are looked at.
const maxUnits = 20_000

// unitDir reads units: those of the server, or those in a home, where no link leads
// out.
type unitDir interface {
	names(dir string) []string
	text(path string) ([]byte, error)
	link(path string) string
}

type serverUnits struct{ root }

func (d serverUnits) names(dir string) (names []string) {
	list, _ := d.list(dir)
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func (d serverUnits) text(path string) ([]byte, error) { return d.read(path, smallFile) }

type homeUnits struct{ *tree }

func (d homeUnits) names(dir string) (names []string) {
	list, _, _ := d.list(dir, 10_000)
	for _, e := range list {
		names = append(names, e.name)
	}
	slices.Sort(names)
	return names
}

func (d homeUnits) text(path string) ([]byte, error) {
	f, err := d.inside(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, smallFile))
}

// units finds the units that the layout names, each with its drop-ins and, of
// templates, those instances that are enabled.
func (s *running) units() (list []*unit) {
	for _, g := range s.w.layout.Units {
		if !ofAccount(g) {
			for _, file := range s.r.glob(g) {
				list = append(list, loadUnit(serverUnits{s.r}, file, file, nil)...)
			}
			continue
		}
		for _, a := range s.w.accounts {
			list = append(list, s.unitsOf(a, g)...)
		}
	}
	return list[:min(len(list), maxUnits)]
}

func (s *running) unitsOf(a *account, template string) (list []*unit) {
	places := s.w.placesOf(a, []string{template})
	for _, p := range places[:min(len(places), 200)] {
		t, err := s.r.openTree(p.base)
		if err != nil {
			continue
		}
		list = append(list, loadUnit(homeUnits{t}, p.rel, p.path(), a)...)
		t.close()
	}
	return list
}

// loadUnit reads one unit. A template is as many as are enabled of it.
func loadUnit(d unitDir, path, shown string, owner *account) (list []*unit) {
	name := filepath.Base(path)
	if to := d.link(path); to == "/dev/null" || to != "" && filepath.Base(to) != name {
		return nil // masked, or another name of a unit that is somewhere else
	}
	text, err := d.text(path)
	if err != nil || len(text) == 0 {
		return nil
	}
	set := parseIni(text)
	for _, n := range d.names(path + ".d") {
		if strings.HasSuffix(n, ".conf") && len(set) < 50_000 {
			more, _ := d.text(path + ".d/" + n)
			set = append(set, parseIni(more)...)
		}
	}
	wanted := wantedUnits(d, filepath.Dir(path), name)
	if !strings.Contains(name, "@.") {
		return []*unit{{name: name, file: shown, owner: owner, set: set, on: len(wanted) > 0}}
	}
	for _, n := range wanted {
		list = append(list, &unit{name: n, file: shown, owner: owner, set: set, on: true})
	}
	return list
}

// wantedUnits are the names under which a unit is enabled: links in the
// directories of what wants or requires it. A template is enabled by its
// instances.
func wantedUnits(d unitDir, dir, name string) (names []string) {
	stem, ext, template := strings.Cut(name, "@.")
	for _, w := range d.names(dir) {
		if !strings.HasSuffix(w, ".wants") && !strings.HasSuffix(w, ".requires") {
			continue
		}
		for _, n := range d.names(filepath.Join(dir, w)) {
			is := n == name
			if template {
				is = strings.HasPrefix(n, stem+"@") && strings.HasSuffix(n, "."+ext) && n != name
			}
			if is && len(names) < 1000 && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}
