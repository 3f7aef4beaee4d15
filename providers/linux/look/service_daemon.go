//go:build linux

package look

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

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
