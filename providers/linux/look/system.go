//go:build linux

package look

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/stopover/stopover/schema"
)

// Codes of what a survey finds of the server itself.
const (
	foundNoMachineID = "server-no-machine-id" // two installations cannot be told apart
	foundUnread      = "server-unread"        // a part of the system could not be read
	foundUnknown     = "server-unknown-release"
)

func (w *world) files() root { return root(w.m.Root) }

// live says whether the machine that is looked at is the one that runs this.
func (w *world) live() bool { return w.files() == "/" }

// system looks at the machine beside its accounts. What fails is a finding; the
// other parts are told all the same.
func (w *world) system(ctx context.Context) error {
	r, s, f := w.files(), w.server.System, w.server
	w.note("release", r.release(s))
	r.kernel(s)
	r.clock(s)
	r.hardware(s)
	w.identify(r)
	s.Mounts = r.mounts()
	r.room(f, w.layout.Homes)
	s.Users, s.Groups = r.users(), r.groups()
	s.HostKeys = r.hostKeys()
	f.HostKeys = s.HostKeys
	w.together(
		func() { w.network(ctx, r, s) },
		func() { s.Libraries = r.libraries(s.Arch) },
		func() { w.software(ctx, r, s) },
		func() { s.Settings = w.settings(ctx) },
		func() { s.Queue = r.queue(w.layout.MailQueue) },
		func() {
			var err error
			s.Firewall, err = r.firewall(ctx)
			w.note("firewall", err)
		},
	)
	s.Unknown = w.unknown(ctx)
	f.Runtimes = runtimes(s)
	f.Names = r.ownNames(s)
	for _, o := range s.Outgoing {
		f.Outgoing = append(f.Outgoing, o.Address)
	}
	return nil
}

// together does several things at the same time. A fault in one of them is a
// fault of the whole, as if they had been done in turn.
func (w *world) together(do ...func()) {
	var all sync.WaitGroup
	for _, f := range do {
		all.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					w.note("system", fmt.Errorf("the agent met a fault of its own: %v", r))
				}
			}()
			f()
		})
	}
	all.Wait()
}

// note makes a finding of a part that could not be read. What is not there at
// all is none.
func (w *world) note(part string, err error) {
	if err == nil || part != "release" && errors.Is(err, fs.ErrNotExist) {
		return
	}
	w.finding(schema.Finding{
		Code: foundUnread, Severity: schema.Warning, Object: part,
		Summary:   fmt.Sprintf("the %s of the server could not be read: %v", part, err),
		Remedy:    "mend what the message names and survey again: until then it is not compared with the other server",
		Certainty: "observed",
	})
}

func (w *world) identify(r root) {
	w.server.Machine, w.server.Boot = r.identity()
	if w.server.Machine == "" {
		w.finding(schema.Finding{
			Code: foundNoMachineID, Severity: schema.Warning, Object: "/etc/machine-id",
			Summary:   "the server has no machine id: a reinstalled machine could not be told from the old one",
			Remedy:    "run systemd-machine-id-setup (or dbus-uuidgen --ensure=/etc/machine-id) on the server",
			Certainty: "observed",
		})
	}
	if w.server.System.OS == "" {
		w.finding(schema.Finding{
			Code: foundUnknown, Severity: schema.Warning, Object: "/etc/os-release",
			Summary:   "the server does not say which release it runs",
			Remedy:    "see whether /etc/os-release is there; without it the architecture cannot be compared",
			Certainty: "observed",
		})
	}
}

// network fills addresses, what is listened on, and names.
func (w *world) network(ctx context.Context, r root, s *schema.System) {
	var err error
	if w.live() {
		s.Addresses, err = interfaces()
		w.note("addresses", err)
		s.Outgoing = w.outgoing(ctx)
	}
	s.Ports = r.ports()
}

// software fills packages, programs and PHP.
func (w *world) software(ctx context.Context, r root, s *schema.System) {
	var manager string
	var err error
	s.Packages, manager, err = r.packages(ctx)
	w.note("list of packages", err)
	if manager == "" && err == nil {
		s.Unknown = append(s.Unknown, schema.Unknown{Kind: "packages", Name: "package manager",
			Why: "no list of packages was found (dpkg, rpm, apk): what belongs to the system cannot be told from what was put there"})
	}
	s.Programs = r.programs(ctx)
	s.PHP = r.php(ctx, s)
}

// runtimes are the languages of the machine as architectures name them.
func runtimes(s *schema.System) []schema.Runtime {
	var list []schema.Runtime
	for _, p := range s.PHP {
		list = append(list, schema.Runtime{Name: "php", Version: p.Version})
	}
	for _, p := range s.Programs {
		if name, version := runtimeOf(p); version != "" {
			list = append(list, schema.Runtime{Name: name, Version: version})
		}
	}
	slices.SortFunc(list, func(x, y schema.Runtime) int {
		if c := strings.Compare(x.Name, y.Name); c != 0 {
			return c
		}
		return compareVersions(x.Version, y.Version)
	})
	return slices.Compact(list)
}
