//go:build linux

package look

import (
	"strings"

	"github.com/stopover/stopover/schema"
)

// placeTimer hands a timer to the account of the service that it starts.
func (s *running) placeTimer(u *unit, units []*unit) {
	name := cmpOr(u.get("Timer", "Unit"), strings.TrimSuffix(u.name, ".timer")+".service")
	var service *unit
	for _, x := range units {
		if x.name == name && (x.owner == u.owner) {
			service = x
		}
	}
	a, line, user := u.owner, "", u.user()
	if service != nil {
		a, line, user = s.ownerOf(service), execLine(service), cmpOr(service.get("Service", "User"), user)
	}
	for _, e := range timerTimes(u) {
		t := schema.Timer{Name: u.name, Schedule: e, Command: command(line), User: user}
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
