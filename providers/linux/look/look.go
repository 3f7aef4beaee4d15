//go:build linux

// Package look is what the agent of a Linux server does there: it looks. One
// survey names everything that accounts have and lean on, in the nouns of
// schema, and changes nothing: it writes no file, starts no service, and leaves
// access times alone where the system lets it.
//
// It runs as root among files of people who may mean harm. What lies below a
// home is reached by descriptors, without following links and without leaving
// the file system; nothing but regular files and directories is opened; and
// whatever is read, counted or listed has a bound.
package look

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// Machine is the machine that surveys are made of: the one this program runs
// on. The zero value is ready.
type Machine struct {
	// Root is the directory that stands for "/", for tests. Empty: "/".
	Root string
	// Log is for whoever debugs Stopover. Nil: nothing is logged.
	Log hclog.Logger
	// Reverse gives the names of an address. Nil: the machine's own resolver.
	Reverse func(ctx context.Context, address string) ([]string, error)
	// Now is the time. Nil: the clock's.
	Now func() time.Time
}

// Codes of what a survey finds beside those of files, see Findings.
const (
	foundUnreadable = "account-unreadable"
	foundIncomplete = "survey-incomplete"
)

// Findings are the codes of what a survey finds in accounts and of itself; the
// registry of findings explains each of them.
func Findings() []string {
	return []string{foundUnreadable, foundIncomplete, foundFile + "mount-point", foundFile + "device", foundFile + "socket", foundFile + "long-path"}
}

// Look surveys the machine and changes nothing on it. Each account is handed
// over when everything is known of it, in the order of names; the answer itself
// has none. A part that cannot be looked at becomes a finding, and the others
// are told all the same: the only errors are those of ctx and of account.
func (m *Machine) Look(ctx context.Context, q agent.LookRequest, account func(*schema.FoundAccount) error, progress func(providers.Progress)) (*schema.FoundServer, error) {
	w := newWorld(m, q, progress)
	for _, stage := range w.stages() {
		w.run(ctx, stage)
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
	}
	for _, a := range w.accounts {
		if err := account(concealAccount(a.found())); err != nil {
			return nil, err
		}
	}
	w.run(ctx, []part{{"residue", w.residue}})
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	w.server.At = w.m.Now()
	slices.SortFunc(w.server.Findings, byFinding)
	concealServer(w.server)
	return w.server, nil
}

// world is one survey under way: what has been found so far. A part may read
// what earlier stages found, and writes what is its own; what several parts
// write has a method.
type world struct {
	m      Machine // with every field set
	q      agent.LookRequest
	layout schema.Layout
	server *schema.FoundServer // System is never nil
	// accounts are sorted by name; they and the maps are there after the first
	// stage and do not change.
	accounts []*account
	byUID    map[int]*account // the account itself and further users of it
	byName   map[string]*account
	byHome   map[string]*account
	progress func(providers.Progress)

	mu       sync.Mutex // of server.Findings
	uidl     sync.Once
	uidlText string // how Dovecot makes POP3 ids
}

// account is one account under way.
type account struct {
	schema.FoundAccount
	home     string // its path on the machine, below Root: "/home/alice"
	homeless bool   // the home is not there
	walked   *territory

	mu sync.Mutex // of Findings, Truncated, Runtimes and Other, which several parts write
}

// part is one piece of a survey.
type part struct {
	name string
	do   func(context.Context) error
}

// stages are the parts of a survey. Those of one stage run at the same time;
// each stage knows what those before it found. What belongs to no account is
// looked for after them, when the accounts have been handed over.
func (w *world) stages() [][]part {
	return [][]part{
		{{"users", w.users}},
		{{"system", w.system}},
		{{"sites", w.sites}},
		{{"databases", w.databases}, {"files", w.trees}},
	}
}

func newWorld(m *Machine, q agent.LookRequest, progress func(providers.Progress)) *world {
	w := &world{m: *m, q: q, layout: q.Layout, byUID: map[int]*account{}, byName: map[string]*account{}, byHome: map[string]*account{}, progress: progress}
	w.m.Root = cmp.Or(w.m.Root, "/")
	if w.m.Log == nil {
		w.m.Log = hclog.NewNullLogger()
	}
	if w.m.Reverse == nil {
		w.m.Reverse = net.DefaultResolver.LookupAddr
	}
	if w.m.Now == nil {
		w.m.Now = time.Now
	}
	if w.progress == nil {
		w.progress = func(providers.Progress) {}
	}
	w.server = &schema.FoundServer{Presence: schema.Present, Provider: "linux", Known: true, Layout: q.Layout.Name, System: &schema.System{}}
	return w
}

// run does the parts of a stage. One that fails, or meets a fault of its own,
// is a finding.
func (w *world) run(ctx context.Context, stage []part) {
	var all sync.WaitGroup
	for _, p := range stage {
		all.Go(func() {
			began := w.m.Now()
			defer func() {
				if r := recover(); r != nil { // strange data in one place is no reason to lose the rest
					w.m.Log.Error("panic", "part", p.name, "value", fmt.Sprint(r), "stack", string(debug.Stack()))
					w.incomplete(p.name, fmt.Errorf("the agent met a fault of its own: %v", r))
				}
			}()
			if err := p.do(ctx); err != nil && ctx.Err() == nil {
				w.incomplete(p.name, err)
			}
			w.m.Log.Debug("looked", "part", p.name, "took", w.m.Now().Sub(began))
		})
	}
	all.Wait()
}

// incomplete notes that a part of the survey could not be done.
func (w *world) incomplete(part string, err error) {
	w.finding(schema.Finding{
		Code: foundIncomplete, Severity: schema.Blocker, Object: part,
		Summary:   fmt.Sprintf("the %s of the server could not be looked at completely: %v", part, err),
		Remedy:    "mend what the message names and survey again: what was not seen would not be moved",
		Certainty: "observed",
	})
}

// finding adds a finding about the server.
func (w *world) finding(f schema.Finding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.server.Findings) < maxFindings {
		w.server.Findings = append(w.server.Findings, f)
	}
}

// maxFindings bounds what a hostile account can make a survey say; the 1,001st
// of a kind tells nobody anything new.
const maxFindings = 1000

// finding adds a finding about the account.
func (a *account) finding(f schema.Finding) {
	f.Account = a.Name
	f.Certainty = cmp.Or(f.Certainty, "observed")
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.Findings) < maxFindings {
		a.Findings = append(a.Findings, f)
	}
}

// truncated notes that a list of the account is not complete.
func (a *account) truncated(list string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.Truncated, list) {
		a.Truncated = append(a.Truncated, list)
	}
}

// use notes a runtime that the account uses.
func (a *account) use(r schema.RuntimeUse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.Runtimes, r) && len(a.Runtimes) < maxFindings {
		a.Runtimes = append(a.Runtimes, r)
	}
}

// other notes a path outside of home and mail that belongs to the account.
func (a *account) other(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.Other, path) && len(a.Other) < maxFindings {
		a.Other = append(a.Other, path)
	}
}

// found is the account with its lists in order.
func (a *account) found() *schema.FoundAccount {
	slices.SortFunc(a.Findings, byFinding)
	slices.Sort(a.Truncated)
	slices.Sort(a.Other)
	slices.SortFunc(a.Runtimes, func(x, y schema.RuntimeUse) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Version, y.Version), strings.Compare(x.By, y.By))
	})
	return &a.FoundAccount
}

func byFinding(x, y schema.Finding) int {
	return cmp.Or(strings.Compare(x.Code, y.Code), strings.Compare(x.Object, y.Object), strings.Compare(x.Summary, y.Summary))
}
