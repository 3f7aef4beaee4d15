// Package setup opens what every face of the program needs: configuration,
// servers, state store. It decides and prints nothing.
package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/all"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
)

// Version of the program.
const Version = "0.1.0"

// Project is one directory of configuration, opened.
type Project struct {
	Dir     string
	Config  *schema.Config
	Servers map[string]providers.Server
	Store   state.Store
}

// ConfigError carries the diagnostics of a configuration that is wrong.
type ConfigError struct{ Diagnostics schema.Diagnostics }

func (e *ConfigError) Error() string {
	n := 0
	for _, d := range e.Diagnostics {
		if d.Severity == "error" {
			n++
		}
	}
	if n == 1 {
		return "the configuration has an error"
	}
	return fmt.Sprintf("the configuration has %d errors", n)
}

// Parse reads the configuration of a directory, with the values of variables
// that the command line gives.
func Parse(dir string, vars ...hclfile.Assignment) (*schema.Config, schema.Diagnostics) {
	return hclfile.Parse(dir, hclfile.Options{Kinds: languageKinds(), Version: Version, Vars: vars, Env: os.LookupEnv})
}

func languageKinds() []hclfile.Kind {
	var out []hclfile.Kind
	for _, k := range all.Kinds() {
		lk := hclfile.Kind{Name: k.Name, Doc: k.Doc}
		for _, o := range k.Options {
			lk.Options = append(lk.Options, hclfile.Option{Name: o.Name, Type: o.Type, Doc: o.Doc, Default: o.Default, Example: o.Example, Required: o.Required})
		}
		out = append(out, lk)
	}
	return out
}

// Open reads the configuration and opens its servers and its state store.
// Nothing is asked of a server yet.
func Open(ctx context.Context, dir string, vars ...hclfile.Assignment) (*Project, schema.Diagnostics, error) {
	cfg, diags := Parse(dir, vars...)
	if diags.HasErrors() {
		return nil, diags, &ConfigError{diags}
	}
	p, err := OpenConfig(ctx, dir, cfg)
	return p, diags, err
}

// OpenConfig is Open for a configuration that was read before, as from a saved
// plan.
func OpenConfig(ctx context.Context, dir string, cfg *schema.Config) (*Project, error) {
	p := &Project{Dir: dir, Config: cfg, Servers: map[string]providers.Server{}}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	env := providers.Env{Dir: dir, Executable: exe}
	for _, name := range []string{cfg.Migration.Source, cfg.Migration.Transit} {
		s := cfg.Server(name)
		if s == nil || p.Servers[name] != nil {
			continue
		}
		i := slices.IndexFunc(all.Kinds(), func(k providers.Kind) bool { return k.Name == s.Provider })
		if i < 0 {
			return nil, fmt.Errorf("server %s: there is no provider %q", schema.QuoteName(name), s.Provider)
		}
		opened, err := all.Kinds()[i].Open(ctx, withDefaults(*s, cfg), env)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.Servers[name] = opened
	}
	p.Store, err = openStore(dir, cfg)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// withDefaults fills in what the provider block says for all its servers.
func withDefaults(s schema.Server, cfg *schema.Config) schema.Server {
	options := map[string]string{}
	for _, d := range cfg.Providers {
		if d.Kind == s.Provider {
			for k, v := range d.Options {
				options[k] = v
			}
		}
	}
	for k, v := range s.Options {
		options[k] = v
	}
	s.Options = options
	return s
}

// StateDir is where the local state store keeps its journal, below the
// configuration.
const StateDir = ".stopover"

func openStore(dir string, cfg *schema.Config) (state.Store, error) {
	switch cfg.State.Kind {
	case "", "local":
		at := StateDir
		if v := cfg.State.Options["path"]; v != "" {
			at = v
		}
		if !filepath.IsAbs(at) {
			at = filepath.Join(dir, at)
		}
		return state.OpenLocal(at, state.Options{}), nil
	case "http":
		return openHTTP(cfg.State)
	}
	return nil, fmt.Errorf("there is no state store %q; this version has \"local\" and \"http\"", cfg.State.Kind)
}

// Close closes what was opened.
func (p *Project) Close() error {
	var errs []error
	for _, s := range p.Servers {
		errs = append(errs, s.Close())
	}
	if p.Store != nil {
		errs = append(errs, p.Store.Close())
	}
	return errors.Join(errs...)
}

// Survey reads the live state of all servers at once. A server that does not
// answer is in the inventory with its error; that is not an error here.
func (p *Project) Survey(ctx context.Context) (*schema.Inventory, error) {
	inv := &schema.Inventory{Servers: map[string]*schema.FoundServer{}}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for name, s := range p.Servers {
		g.Go(func() error {
			found, err := s.Survey(ctx, providers.SurveyOptions{})
			if err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				found = &schema.FoundServer{Presence: schema.Unreachable, Error: err.Error()}
			}
			found.Name = name
			complete(found, s)
			mu.Lock()
			defer mu.Unlock()
			inv.Servers[name] = found
			return nil
		})
	}
	return inv, g.Wait()
}

// complete adds what the provider says it cannot do.
func complete(f *schema.FoundServer, s providers.Server) {
	if f.Can == nil {
		f.Can = map[schema.Capability]bool{}
	}
	for c, why := range s.Abilities().Cannot {
		if f.Cannot == nil {
			f.Cannot = map[schema.Capability]string{}
		}
		f.Can[c], f.Cannot[c] = false, why
	}
}

// Load reads what is remembered: the store's facts and timings, and the facts
// that the servers mirror.
func (p *Project) Load(ctx context.Context, inv *schema.Inventory) (plan.Past, []string, error) {
	log, err := p.Store.Load(ctx)
	if err != nil {
		return plan.Past{}, nil, err
	}
	past := log.Past()
	sets := [][]schema.Fact{past.Facts}
	for _, name := range []string{p.Config.Migration.Source, p.Config.Migration.Transit} {
		if s := inv.Servers[name]; s != nil {
			sets = append(sets, s.Facts)
		}
	}
	past.Facts = schema.UnionFacts(sets...)
	return past, log.Notes, nil
}

// Request is what a user asks of a computation.
type Request struct {
	Goal      plan.Goal
	Confirmed string
	Now       time.Time
}

// Computed is a plan with what it was computed from.
type Computed struct {
	Plan      *plan.Plan
	Inventory *schema.Inventory
	Past      plan.Past
	Notes     []string // about the state store, for people
}

// Compute surveys, loads and computes.
func (p *Project) Compute(ctx context.Context, r Request) (*Computed, error) {
	inv, err := p.Survey(ctx)
	if err != nil {
		return nil, err
	}
	past, notes, err := p.Load(ctx, inv)
	if err != nil {
		return nil, err
	}
	out, err := plan.Compute(plan.Input{Config: p.Config, Inventory: inv, Past: past, Goal: r.Goal, Confirmed: r.Confirmed, Now: r.Now})
	if err != nil {
		return nil, err
	}
	return &Computed{Plan: out, Inventory: inv, Past: past, Notes: notes}, nil
}

// Holder says who runs the program, for other runs.
func Holder() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("%s@%s (pid %d)", name, host, os.Getpid())
}

// By is who approves when nobody else is named.
func By() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
