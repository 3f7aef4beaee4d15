//go:build linux

package look

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

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
		Name: u.name, User: cmpOr(u.get("Service", "User"), u.user()), Command: command(execLine(u)), File: u.file, Enabled: u.on,
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
