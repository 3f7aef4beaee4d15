//go:build linux

package look

import "github.com/stopover/stopover/schema"

// concealAccount is the last place that an account passes before it leaves the
// server: whatever part found a text that somebody wrote, secrets in it are
// masked here. Parts that know the name of a value have judged it by that before.
func concealAccount(a *schema.FoundAccount) *schema.FoundAccount {
	concealUser(a)
	concealServices(a.Services)
	for i := range a.Sites {
		a.Sites[i].Pass = masked(a.Sites[i].Pass)
		a.Sites[i].Root = masked(a.Sites[i].Root)
	}
	concealPools(a.Pools)
	for i := range a.Timers {
		a.Timers[i].Command = command(a.Timers[i].Command)
	}
	for i := range a.Environments {
		e := &a.Environments[i]
		e.Version, e.Runtime, e.Home, e.Tool = masked(e.Version), masked(e.Runtime), masked(e.Home), masked(e.Tool)
	}
	for i := range a.Lines {
		a.Lines[i].What, a.Lines[i].Note = masked(a.Lines[i].What), masked(a.Lines[i].Note)
	}
	for i := range a.Links {
		a.Links[i].Target = inURL.ReplaceAllString(a.Links[i].Target, "${1}:"+secretIsSet+"@")
	}
	for i := range a.Certificates {
		a.Certificates[i].How = masked(a.Certificates[i].How)
	}
	concealFindings(a.Findings)
	return a
}

func concealUser(a *schema.FoundAccount) {
	if a.User == nil {
		return
	}
	for i := range a.User.Keys {
		k := &a.User.Keys[i]
		k.Options, k.Comment = masked(k.Options), masked(k.Comment)
	}
}

func concealServices(list []schema.Service) {
	for i := range list {
		list[i].Command = command(list[i].Command)
	}
}

func concealPools(list []schema.Pool) {
	for _, p := range list {
		concealMap(p.Settings, shown)
	}
}

func concealMap(m map[string]string, how func(key, value string) string) {
	for k, v := range m {
		m[k] = how(k, v)
	}
}

// concealFindings masks addresses only: sentences about passwords are no passwords.
func concealFindings(list []schema.Finding) {
	for i := range list {
		list[i].Summary = inURL.ReplaceAllString(list[i].Summary, "${1}:"+secretIsSet+"@")
	}
}

// concealServer is concealAccount of what belongs to none.
func concealServer(f *schema.FoundServer) {
	concealFindings(f.Findings)
	s := f.System
	if s == nil {
		return
	}
	concealServices(s.Daemons)
	for i := range s.Settings {
		s.Settings[i].Value, s.Settings[i].Key = masked(s.Settings[i].Value), masked(s.Settings[i].Key)
	}
	for i := range s.Mounts {
		s.Mounts[i].Options, s.Mounts[i].Device = maskedOptions(s.Mounts[i].Options), masked(s.Mounts[i].Device)
	}
	plain := func(_, value string) string { return masked(value) } // engines' and PHP's names are ours, and none is a secret's
	for i := range s.PHP {
		concealMap(s.PHP[i].Settings, plain)
	}
	for i := range s.Engines {
		concealMap(s.Engines[i].Settings, plain)
	}
	for i := range s.Unknown {
		s.Unknown[i].Why = inURL.ReplaceAllString(s.Unknown[i].Why, "${1}:"+secretIsSet+"@")
	}
}
