// Package setup opens what every face of the program needs: configuration,
// servers, state store. It decides and prints nothing.
package setup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/all"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
	"github.com/stopover/stopover/schema/hclfile/condition"
)

// Version of the program.
const Version = "0.1.0"

// Project is one directory of configuration, opened.
type Project struct {
	Dir     string
	Config  *schema.Config
	Servers map[string]providers.Server
	Store   state.Store

	trusted []schema.Condition // checks of the directory's own configuration, whose commands may run
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
// that the command line gives, and looks at its checks and policies as far as
// that goes without servers.
func Parse(dir string, vars ...hclfile.Assignment) (*schema.Config, schema.Diagnostics) {
	cfg, diags := hclfile.Parse(dir, hclfile.Options{Kinds: languageKinds(), Version: Version, Vars: vars, Env: os.LookupEnv})
	if diags.HasErrors() {
		return cfg, diags
	}
	return cfg, append(diags, condition.Validate(cfg, (*plan.Plan)(nil))...)
}

func languageKinds() []hclfile.Kind {
	var out []hclfile.Kind
	for _, k := range all.Kinds() {
		lk := hclfile.Kind{Name: k.Name, Doc: k.Doc}
		for _, o := range k.Options {
			lk.Options = append(lk.Options, hclfile.Option{Name: o.Name, Type: o.Type, Doc: o.Doc, Default: o.Default, Example: o.Example, Required: o.Required, Secret: o.Secret})
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
	p, err := open(ctx, dir, cfg)
	if p != nil {
		p.trusted = cfg.Checks
	}
	return p, diags, err
}

// OpenConfig is Open for a configuration that was read before, as from a saved
// plan. A plan is a file that anybody may have written: of its checks and probes,
// only the commands that the configuration in the directory has as well may run.
func OpenConfig(ctx context.Context, dir string, cfg *schema.Config) (*Project, error) {
	var own *schema.Config
	probes := programs(cfg)
	if len(probes) > 0 || slices.ContainsFunc(cfg.Checks, func(c schema.Condition) bool { return len(c.Command) > 0 }) {
		if read, diags := Parse(dir); !diags.HasErrors() {
			own = read
		}
	}
	for _, argv := range probes {
		if own == nil || !slices.ContainsFunc(programs(own), func(o []string) bool { return slices.Equal(o, argv) }) {
			return nil, fmt.Errorf("a probe of the saved plan runs %s, and no probe of the configuration in this directory does: make the plan anew, or put the probe into the configuration", schema.QuoteName(argv[0]))
		}
	}
	p, err := open(ctx, dir, cfg)
	if p != nil && own != nil {
		p.trusted = own.Checks
	}
	return p, err
}

// programs are the programs that probes of a configuration run.
func programs(cfg *schema.Config) [][]string {
	var out [][]string
	add := func(probes []schema.Probe) {
		for _, p := range probes {
			if len(p.Command) > 0 {
				out = append(out, p.Command)
			}
		}
	}
	for _, a := range cfg.Migration.Accounts {
		add(a.Probes)
	}
	for _, a := range cfg.Migration.Patterns {
		add(a.Probes)
	}
	return out
}

func open(ctx context.Context, dir string, cfg *schema.Config) (*Project, error) {
	p := &Project{Dir: dir, Config: cfg, Servers: map[string]providers.Server{}}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	env := Env(dir, exe, cfg.Layouts)
	for _, name := range []string{cfg.Migration.Source, cfg.Migration.Transit, cfg.Migration.Trial} {
		s := cfg.Server(name)
		if s == nil || p.Servers[name] != nil {
			continue
		}
		i := slices.IndexFunc(all.Kinds(), func(k providers.Kind) bool { return k.Name == s.Provider })
		if i < 0 {
			return nil, fmt.Errorf("server %s: there is no provider %q", schema.QuoteName(name), s.Provider)
		}
		if s.Address == "" && name == cfg.Migration.Transit {
			p.Servers[name] = pending{*s, all.Kinds()[i]}
			continue
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

// Env is what providers may use of a configuration's directory. Layouts are those
// that the configuration holds.
func Env(dir, executable string, layouts []schema.Layout) providers.Env {
	return providers.Env{Dir: dir, Executable: executable, Layouts: layouts, Secret: secret, Cache: filepath.Join(dir, StateDir, cacheDir)}
}

// secret looks up what a reference names.
func secret(_ context.Context, reference string) (string, error) {
	name, ok := strings.CutPrefix(reference, "env:")
	if !ok || name == "" {
		return "", errors.New("it refers to nothing that this version can look up; write env(\"NAME\")")
	}
	v, ok := os.LookupEnv(name)
	if !ok || v == "" {
		return "", fmt.Errorf("it is in the variable %s of the environment, which is not set where stopover runs", name)
	}
	return v, nil
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
	past.Facts = schema.FactsOf(p.Config.Migration.Name, sets...)
	return past, log.Notes, nil
}

// Request is what a user asks of a computation.
type Request struct {
	Goal      plan.Goal
	Confirmed string
	Now       time.Time
	Refresh   bool // look at every server now, whatever is remembered
}

// Computed is a plan with what it was computed from.
type Computed struct {
	Plan      *plan.Plan
	Inventory *schema.Inventory
	Past      plan.Past
	Notes     []string // about the state store and about what is remembered, for people
}

// Compute surveys, evaluates the configuration's own checks, loads, computes,
// and lets the policies judge the plan.
func (p *Project) Compute(ctx context.Context, r Request) (*Computed, error) {
	inv, err := p.Survey(ctx, r.Refresh)
	if err != nil {
		return nil, err
	}
	past, notes, err := p.Load(ctx, inv)
	if err != nil {
		return nil, err
	}
	// What they say of a condition that is wrong is among the findings too, as a
	// blocker; Parse has shown it where it stands, unless the plan was saved.
	checked, _ := condition.Checks(p.Config.Checks, inv, p.Config)
	told, err := p.commands(ctx, inv)
	if err != nil {
		return nil, err
	}
	checked = append(checked, told...)
	out, err := plan.Compute(plan.Input{Config: p.Config, Inventory: inv, Past: past, Goal: r.Goal, Checked: checked, Confirmed: r.Confirmed, Now: r.Now})
	if err != nil {
		return nil, err
	}
	judged, _ := condition.Policies(p.Config.Policies, out, inv)
	out.Judge(judged, dated(p.Config.Policies))
	return &Computed{Plan: out, Inventory: inv, Past: past, Notes: append(notes, remembered(inv, r.Now)...)}, nil
}

// remembered names the servers that nobody looked at now.
func remembered(inv *schema.Inventory, now time.Time) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(inv.Servers)) {
		s := inv.Servers[name]
		if !s.Remembered || s.At.IsZero() {
			continue
		}
		ago := max(0, now.Sub(s.At)).Round(time.Minute)
		text := "less than a minute"
		if ago > 0 {
			text = strings.TrimSuffix(ago.String(), "0s")
		}
		out = append(out, fmt.Sprintf("%s was looked at %s ago; that is remembered, --refresh looks again.", schema.QuoteName(name), text))
	}
	return out
}

// dated are the codes of the policies that look at a plan's dates.
func dated(policies []schema.Condition) map[string]bool {
	out := map[string]bool{}
	for _, c := range policies {
		if condition.Dated(c) {
			out[plan.PolicyPrefix+c.Name] = true
		}
	}
	return out
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
