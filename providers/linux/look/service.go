//go:build linux

package look

import (
	"cmp"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
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

// services finds what the init system keeps running and starts at times.
func (s *running) services() {
	units := s.units()
	for _, u := range append(slices.Clone(units), s.supervised()...) {
		if strings.HasSuffix(u.name, ".service") || strings.HasPrefix(u.name, "supervisor:") {
			s.placeService(u)
		}
	}
	for _, u := range units {
		if strings.HasSuffix(u.name, ".timer") {
			s.placeTimer(u, units)
		}
	}
	s.daemons()
	slices.SortFunc(s.w.server.System.Daemons, func(x, y schema.Service) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.File, y.File)) })
}

// ownerOf is the account of a unit: in whose home it lies, whose user it runs
// as, whose program it runs.
func (s *running) ownerOf(u *unit) *account {
	if u.owner != nil {
		return u.owner
	}
	if a := s.byUser(u.get("Service", "User")); a != nil {
		return a
	}
	if a := s.byPath(u.get("Service", "WorkingDirectory")); a != nil {
		return a
	}
	return s.byCommand(execLine(u))
}

// execLine is the command of a service, without what systemd writes in front.
func execLine(u *unit) string {
	list := u.all("Service", "ExecStart")
	if len(list) == 0 {
		return ""
	}
	return strings.TrimLeft(list[0], "-@:+!|")
}

func (s *running) placeService(u *unit) {
	x := schema.Service{
		Name: u.name, User: cmpOr(u.get("Service", "User"), u.user()), Command: masked(execLine(u)), File: u.file, Enabled: u.on,
		Running: s.runs(u), Type: u.get("Service", "Type"),
	}
	a := s.ownerOf(u)
	if a == nil {
		if len(s.w.server.System.Daemons) < maxUnits {
			s.w.server.System.Daemons = append(s.w.server.System.Daemons, x)
		}
		return
	}
	if len(a.Services) >= 1000 {
		a.truncated("services")
		return
	}
	a.Services = append(a.Services, x)
	if s.byPath(u.file) != a {
		a.other(u.file)
	}
	runtime := s.uses(a, "program "+u.name, execLine(u))
	if !s.timed(u) {
		a.Programs = append(a.Programs, schema.Program{Name: u.name, Runtime: runtime})
	}
}

// timed says whether a service is one that ends by itself and that only a timer
// starts.
func (s *running) timed(u *unit) bool {
	return strings.EqualFold(u.get("Service", "Type"), "oneshot")
}

// runs says whether a process of the service is there: in its control group, or,
// where no systemd keeps them, one with its command and user.
func (s *running) runs(u *unit) bool {
	want := strings.Fields(execLine(u))
	uid, known := s.users[cmpOr(u.get("Service", "User"), u.user(), "root")]
	for _, p := range s.procs {
		if strings.HasSuffix(p.group, "/"+u.name) {
			return true
		}
		f := strings.Fields(p.command)
		if known && p.uid == uid && len(f) > 1 && len(f) == len(want) && filepath.Base(f[0]) == filepath.Base(want[0]) && slices.Equal(f[1:], want[1:]) {
			return true
		}
		if known && p.uid == uid && len(f) == 1 && len(want) == 1 && f[0] == want[0] {
			return true
		}
	}
	return false
}

// placeTimer hands a timer to the account of the service that it starts.
func (s *running) placeTimer(u *unit, units []*unit) {
	name := cmpOr(u.get("Timer", "Unit"), strings.TrimSuffix(u.name, ".timer")+".service")
	var service *unit
	for _, x := range units {
		if x.name == name && (x.owner == u.owner) {
			service = x
		}
	}
	a, command, user := u.owner, "", u.user()
	if service != nil {
		a, command, user = s.ownerOf(service), execLine(service), cmpOr(service.get("Service", "User"), user)
	}
	for _, e := range timerTimes(u) {
		t := schema.Timer{Name: u.name, Schedule: e, Command: masked(command), User: user}
		if a == nil {
			s.ownTimer(u, t)
			continue
		}
		if len(a.Timers) >= 5000 {
			a.truncated("timers")
			return
		}
		a.Timers = append(a.Timers, t)
		if u.on {
			a.Tasks = append(a.Tasks, schema.Task{Name: u.name, Schedule: cronOf(e)})
		}
		if s.byPath(u.file) != a {
			a.other(u.file)
		}
	}
}

// ownTimer keeps a timer of the server itself among its settings.
func (s *running) ownTimer(u *unit, t schema.Timer) {
	if u.on && len(s.w.server.System.Settings) < maxSettings {
		s.w.server.System.Settings = append(s.w.server.System.Settings, schema.Setting{Service: "systemd", Key: u.name, Value: strings.TrimSpace(t.Schedule + " " + t.Command), File: u.file})
	}
}

// timerTimes are the times of a timer as systemd writes them.
func timerTimes(u *unit) (list []string) {
	list = append(list, u.all("Timer", "OnCalendar")...)
	for _, k := range []string{"OnBootSec", "OnStartupSec", "OnActiveSec", "OnUnitActiveSec", "OnUnitInactiveSec"} {
		for _, v := range u.all("Timer", k) {
			list = append(list, k+"="+v)
		}
	}
	return list[:min(len(list), 100)]
}

// cronOf writes the times of a timer that a crontab can say as a crontab says
// them; others stay as they are.
func cronOf(t string) string {
	switch strings.ToLower(t) {
	case "minutely":
		return "* * * * *"
	case "hourly", "daily", "weekly", "monthly", "yearly":
		return "@" + strings.ToLower(t)
	case "annually":
		return "@yearly"
	}
	if rest, ok := strings.CutPrefix(t, "OnBootSec="); ok && rest != "" {
		return "@reboot"
	}
	rest := strings.TrimSpace(strings.TrimPrefix(t, "*-*-*"))
	f := strings.Split(rest, ":")
	if len(f) < 2 || len(f) > 3 || len(f) == 3 && strings.Trim(f[2], "0") != "" || strings.ContainsAny(rest, " ~") {
		return t
	}
	for i := range f[:2] {
		switch from, step, ok := strings.Cut(f[i], "/"); {
		case ok && strings.Trim(from, "0*") == "" && step != "":
			f[i] = "*/" + step
		case ok:
			return t
		case f[i] != "*":
			if f[i] = strings.ReplaceAll(f[i], "..", "-"); len(f[i]) > 1 {
				f[i] = strings.TrimPrefix(f[i], "0")
			}
		}
		if f[i] == "" || strings.Trim(f[i], "0123456789*/,-") != "" {
			return t
		}
	}
	return f[1] + " " + f[0] + " * * *"
}

// supervised are the programs of supervisor.
func (s *running) supervised() (list []*unit) {
	for _, g := range []string{"/etc/supervisor/supervisord.conf", "/etc/supervisor/conf.d/*.conf", "/etc/supervisord.conf", "/etc/supervisord.d/*.ini", "/etc/supervisord.d/*.conf"} {
		for _, file := range s.r.glob(g) {
			text, err := s.r.read(file, smallFile)
			if err != nil {
				continue
			}
			list = append(list, supervisorPrograms(file, text)...)
		}
	}
	return list[:min(len(list), maxUnits)]
}

// supervisorPrograms reads the programs of one file as if they were units.
func supervisorPrograms(file string, text []byte) (list []*unit) {
	at := map[string]*unit{}
	for _, e := range parseIni(text) {
		name, ok := strings.CutPrefix(e.section, "program:")
		if !ok {
			continue
		}
		u := at[name]
		if u == nil {
			u = &unit{name: "supervisor:" + name, file: file, on: true}
			at[name] = u
			list = append(list, u)
		}
		key, known := map[string]string{"command": "ExecStart", "user": "User", "directory": "WorkingDirectory"}[e.key]
		if known {
			u.set = append(u.set, entry{section: "Service", key: key, value: strings.ReplaceAll(e.value, "%(program_name)s", name), line: e.line})
		}
		if e.key == "autostart" && strings.EqualFold(e.value, "false") {
			u.on = false
		}
	}
	return list
}

// runsOf says whether the program of a package's unit runs, on a machine whose
// processes no systemd keeps apart.
func (s *running) runsOf(file string) bool {
	if !filepath.IsAbs(file) || s.r.exists("/run/systemd/system") {
		return false // control groups tell
	}
	for _, u := range loadUnit(serverUnits{s.r}, s.r.resolve(file), file, nil) {
		f := strings.Fields(execLine(u))
		if len(f) == 0 || !filepath.IsAbs(f[0]) {
			continue
		}
		real := s.r.real(f[0])
		if name, _ := s.interpreter(filepath.Base(real)); name != "" || filepath.Base(real) == "dash" || filepath.Base(real) == "bash" {
			continue // it runs other things, too
		}
		if slices.ContainsFunc(s.procs, func(p process) bool { return p.exe == real }) {
			return true
		}
	}
	return false
}

// daemons adds the services of packages that are enabled or run.
func (s *running) daemons() {
	have := map[string]int{}
	for i, d := range s.w.server.System.Daemons {
		have[d.Name] = i
	}
	add := func(x schema.Service) {
		if i, ok := have[x.Name]; ok {
			d := &s.w.server.System.Daemons[i]
			d.Enabled, d.Running = d.Enabled || x.Enabled, d.Running || x.Running
			return
		}
		if len(s.w.server.System.Daemons) < maxUnits {
			have[x.Name] = len(s.w.server.System.Daemons)
			s.w.server.System.Daemons = append(s.w.server.System.Daemons, x)
		}
	}
	owned := map[string]bool{}
	for _, a := range s.w.accounts {
		for _, x := range a.Services {
			owned[x.Name] = true
		}
	}
	for _, w := range append(s.r.glob("/etc/systemd/system/*.wants"), s.r.glob("/etc/systemd/system/*.requires")...) {
		entries, _ := s.r.list(w)
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".service") && !owned[e.Name()] {
				file := s.r.link(filepath.Join(w, e.Name()))
				add(schema.Service{Name: e.Name(), Enabled: true, File: file, Running: s.runsOf(file)})
			}
		}
	}
	for _, p := range s.procs {
		if rest, ok := strings.CutPrefix(p.group, "/system.slice/"); ok {
			name := filepath.Base(rest)
			if strings.HasSuffix(name, ".service") && !owned[name] {
				add(schema.Service{Name: name, Running: true})
			}
		}
	}
}
