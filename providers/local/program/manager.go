package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Clock is where the time comes from.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Options of a Manager. Machine and RunDir are needed.
type Options struct {
	Machine    string        // identity of the machine; marks its processes
	RunDir     string        // for process files and sockets; see RunDir
	Grace      time.Duration // from SIGTERM to SIGKILL; default 2 s
	StartLimit time.Duration // how long Start waits for the site's program to accept; default 10 s
	MinBackoff time.Duration // before a program that ended is started again; default 200 ms
	MaxBackoff time.Duration // default 30 s
	Clock      Clock         // default the system's
	Logger     hclog.Logger  // default none
}

// Manager runs the programs of the accounts of one server. Its methods may be
// called by several goroutines at once.
type Manager struct {
	options Options
	log     hclog.Logger
	clock   Clock
	boot    string

	mu     sync.Mutex
	closed bool
	known  map[string]*entry
}

// New returns a manager that runs nothing yet.
func New(o Options) (*Manager, error) {
	if o.Machine == "" || strings.ContainsAny(o.Machine, ":\x00") {
		return nil, fmt.Errorf("run programs: %q cannot be the identity of a machine", o.Machine)
	}
	setDefault(&o.Grace, 2*time.Second)
	setDefault(&o.StartLimit, 10*time.Second)
	setDefault(&o.MinBackoff, 200*time.Millisecond)
	setDefault(&o.MaxBackoff, 30*time.Second)
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if err := prepareRunDir(o.RunDir); err != nil {
		return nil, err
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	return &Manager{options: o, log: o.Logger, clock: o.Clock, boot: boot, known: map[string]*entry{}}, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Start runs the programs of an account and returns when they are started and
// the site's program accepts connections. What still runs, because an earlier
// process of the server started it or an earlier Start did, is not started
// twice; what runs and is not, or not so, described any more is ended first.
// The error joins one *StartError for each program that does not run; the
// others do.
func (m *Manager) Start(ctx context.Context, a Account) error {
	e, err := m.entry(a.Name)
	if err != nil {
		return err
	}
	e.op.Lock()
	defer e.op.Unlock()
	if err := m.prepareAccount(&a); err != nil {
		return err
	}
	leftovers, err := m.takeOver(ctx, e, &a)
	if err != nil {
		return err
	}
	var errs []error
	var begun []*unit
	for _, p := range a.Programs {
		key := programMarker(p.Kind, p.Name)
		if p.Problem != nil {
			m.log.Warn("program not started", "account", a.Name, "program", p.Name, "reason", p.Problem)
			errs = append(errs, &StartError{a.Name, p, p.Problem})
			continue
		}
		if e.unit(key) != nil {
			continue
		}
		u, err := m.newUnit(a, p, slices.Contains(leftovers, key))
		if err != nil {
			errs = append(errs, &StartError{a.Name, p, err})
			continue
		}
		e.add(key, u)
		begun = append(begun, u)
	}
	for _, u := range begun {
		if err := u.waitStarted(ctx); err != nil {
			errs = append(errs, &StartError{a.Name, u.program, err})
		}
	}
	return errors.Join(errs...)
}

// StartError says why a program of an account does not run (yet).
type StartError struct {
	Account string
	Program Program
	Err     error
}

// Error names account and program.
func (e *StartError) Error() string {
	return fmt.Sprintf("start %s %q of %q: %v", e.Program.Kind, e.Program.Name, e.Account, e.Err)
}

// Unwrap returns the reason.
func (e *StartError) Unwrap() error { return e.Err }

// takeOver sets the entry's account and ends what runs but should not. It
// returns the markers of programs that have processes nobody supervises.
func (m *Manager) takeOver(ctx context.Context, e *entry, a *Account) ([]string, error) {
	wanted := map[string]string{}
	for _, p := range a.Programs {
		if p.Problem == nil {
			wanted[programMarker(p.Kind, p.Name)] = digest(m.options.Machine, a, p)
		}
	}
	for key, u := range e.all() {
		if wanted[key] != u.digest {
			u.stop()
			e.remove(key)
		}
	}
	e.mu.Lock()
	e.account = *a
	if e.units == nil {
		e.units = map[string]*unit{}
	}
	e.mu.Unlock()
	found, err := m.membersOf(a.Name, "", 0).find()
	if err != nil {
		return nil, err
	}
	var leftovers []string
	for _, p := range found {
		if p.program == "" || e.unit(p.program) != nil || slices.Contains(leftovers, p.program) {
			continue
		}
		if _, ok := wanted[p.program]; !ok {
			if err := m.end(ctx, m.membersOf(a.Name, p.program, 0)); err != nil {
				return nil, err
			}
			continue
		}
		leftovers = append(leftovers, p.program)
	}
	return leftovers, nil
}

// Found returns the processes of this machine's accounts that run now, whoever
// started them: what a server process that begins has to Start or to StopAll.
func (m *Manager) Found() (map[string][]Process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	found := map[string][]Process{}
	for _, p := range all {
		rest, ok := strings.CutPrefix(p.marker, m.options.Machine+":")
		if !ok {
			continue
		}
		if name, err := hex.DecodeString(rest); err == nil {
			found[string(name)] = append(found[string(name)], p)
		}
	}
	return found, nil
}

// Status of a program.
type Status struct {
	Program  Program
	PID      int    // 0: does not run now
	Adopted  bool   // was started by an earlier process of the server
	Restarts int    // how often it was started again after it had ended
	Last     string // how it ended, or did not start, the last time
}

// Status returns what runs of an account, sorted by kind and name; empty if the
// account is stopped.
func (m *Manager) Status(name string) []Status {
	m.mu.Lock()
	e := m.known[name]
	m.mu.Unlock()
	if e == nil {
		return nil
	}
	var all []Status
	for _, u := range e.all() {
		all = append(all, u.status())
	}
	slices.SortFunc(all, func(a, b Status) int {
		return strings.Compare(programMarker(a.Program.Kind, a.Program.Name), programMarker(b.Program.Kind, b.Program.Name))
	})
	return all
}

// Close stops watching and leaves all processes running.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	entries := make([]*entry, 0, len(m.known))
	for _, e := range m.known {
		entries = append(entries, e)
	}
	m.mu.Unlock()
	for _, e := range entries {
		e.op.Lock()
		e.stopUnits()
		e.op.Unlock()
	}
}

// digest changes with everything that a running program was started with.
func digest(machine string, a *Account, p Program) string {
	h := sha256.New()
	for _, s := range [][]string{p.Command, a.environment(machine, p, ""), {p.Schedule, a.home(), fmt.Sprint(a.UID, a.GID)}} {
		fmt.Fprintf(h, "%q\n", s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
