package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/cmd/internal/starter"
	"github.com/stopover/stopover/cmd/internal/view"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/all"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
	"github.com/stopover/stopover/schema/layout"
	"github.com/stopover/stopover/schema/process"
)

// initFlags are the flags of init.
type initFlags struct {
	process  string
	from     string
	address  string
	options  []string
	accounts string
	timezone string
	print    string
	layout   string // to print
}

func (p *program) init() *cobra.Command {
	var f initFlags
	c := &cobra.Command{
		Use: "init [DIR]", Short: "Write a configuration to begin with", Args: atMost("DIR"),
		Long: `Write ` + starter.FileName + `, a commented configuration to begin with, in DIR or the
directory of the configuration. What is there already is never overwritten.

With --from, the source server is looked at, without changing anything there,
and what it holds is written down: its accounts with their sizes, a probe for
each site, the runtimes and databases it offers, and what no account owns.

With --print-process, a built-in process is printed and nothing is written: save
it as a *.stopover.hcl file beside the configuration, give it another name, change
what is not so, and name it in the migration. --print-layout does the same with
where things are on a server.`,
		Example: "  stopover init\n  stopover init --from local --address client --process private-cloud-2025\n  stopover init --print-process self-managed > ours.stopover.hcl",
		RunE: func(c *cobra.Command, args []string) error {
			dir := p.dir
			if len(args) == 1 {
				dir = args[0]
			}
			if f.layout != "" {
				source, ok := layout.Builtin(f.layout)
				if !ok {
					return fmt.Errorf("--print-layout: there is no layout %q; the built-in ones are %s", f.layout, strings.Join(layout.Names(), ", "))
				}
				p.view().Text(source)
				return nil
			}
			if f.print != "" {
				source, ok := process.Builtin(f.print)
				if !ok {
					return fmt.Errorf("--print-process: there is no process %q; the built-in ones are %s", f.print, strings.Join(process.Names(), ", "))
				}
				p.view().Text(source)
				return nil
			}
			return p.writeStarter(c.Context(), dir, f)
		},
	}
	c.Flags().StringVar(&f.process, "process", "self-managed", "rules of the journey ("+strings.Join(process.Names(), ", ")+")")
	c.Flags().StringVar(&f.from, "from", "", "look at a server of this provider and write what it holds")
	c.Flags().StringVar(&f.address, "address", "", "with --from: how the server is reached, as it will stand in the configuration")
	c.Flags().StringArrayVar(&f.options, "option", nil, "with --from: an option of the provider, as NAME=VALUE (repeatable)")
	c.Flags().StringVar(&f.accounts, "accounts", string(starter.Auto), "with --from: write accounts as one pattern or each (pattern, each, auto)")
	c.Flags().StringVar(&f.timezone, "timezone", "UTC", "time zone of windows and dates, as Europe/Paris")
	c.Flags().StringVar(&f.print, "print-process", "", "print a built-in process, to start your own from")
	c.Flags().StringVar(&f.layout, "print-layout", "", "print a built-in layout, to start your own from")
	p.completeFlag(c, "print-layout", words(layout.Names()...))
	p.completeFlag(c, "process", words(process.Names()...))
	p.completeFlag(c, "print-process", words(process.Names()...))
	p.completeFlag(c, "from", words(providerNames()...))
	p.completeFlag(c, "accounts", words(string(starter.Pattern), string(starter.Each), string(starter.Auto)))
	return c
}

// writeStarter writes the starter configuration of a directory.
func (p *program) writeStarter(ctx context.Context, dir string, f initFlags) error {
	r, err := f.request()
	if err != nil {
		return err
	}
	if err := free(dir); err != nil {
		return err
	}
	if f.from != "" {
		if r.Found, err = surveyFor(ctx, dir, r); err != nil {
			return err
		}
	}
	adoptPort(&r)
	text, err := starter.Write(r)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, starter.FileName)
	if err := create(path, text); err != nil {
		return err
	}
	// Whoever begins must not begin with a mistake that is not theirs.
	_, diags := setup.Parse(dir)
	p.view().Started(started(r, path, dir, !diags.HasErrors()))
	if diags.HasErrors() {
		p.view().Diagnostics(diags)
		return &setup.ConfigError{Diagnostics: diags}
	}
	return nil
}

func started(r starter.Request, path, dir string, valid bool) view.StartedDocument {
	out := view.StartedDocument{File: path, Dir: dir, Valid: valid}
	if f := r.Found; f != nil {
		out.Surveyed, out.Accounts, out.Architecture = true, len(f.Accounts), f.Architecture
	}
	return out
}

// request checks the flags.
func (f *initFlags) request() (starter.Request, error) {
	r := starter.Request{Kind: all.Kinds()[0], Address: "client", Timezone: f.timezone, Version: setup.Version, Accounts: starter.Listing(f.accounts)}
	if f.from == "" && (f.address != "" || len(f.options) > 0) {
		return r, errors.New("--address and --option say how to reach the server of --from: name its provider, as in --from local")
	}
	if !slices.Contains([]starter.Listing{starter.Auto, starter.Each, starter.Pattern}, r.Accounts) {
		return r, fmt.Errorf("--accounts: there is no way %q; say pattern, each or auto", f.accounts)
	}
	if _, err := time.LoadLocation(f.timezone); err != nil || f.timezone == "" || f.timezone == "Local" {
		return r, fmt.Errorf("--timezone: %q is not a time zone such as Europe/Paris", f.timezone)
	}
	source, ok := process.Builtin(f.process)
	if !ok {
		return r, fmt.Errorf("--process: there is no process %q; the built-in ones are %s", f.process, strings.Join(process.Names(), ", "))
	}
	rules, diags := hclfile.ParseProcess(f.process, source)
	if diags.HasErrors() {
		return r, &setup.ConfigError{Diagnostics: diags}
	}
	r.Process = rules
	if f.from == "" {
		return r, nil
	}
	i := slices.IndexFunc(all.Kinds(), func(k providers.Kind) bool { return k.Name == f.from })
	if i < 0 {
		return r, fmt.Errorf("--from: %w", noProvider(f.from))
	}
	if f.address == "" {
		return r, errors.New("--address: say how the server is reached; for a pocket server its directory")
	}
	r.Kind, r.Address, r.Options = all.Kinds()[i], f.address, map[string]string{}
	for _, o := range f.options {
		name, value, ok := strings.Cut(o, "=")
		if !ok || !slices.ContainsFunc(r.Kind.Options, func(k providers.Option) bool { return k.Name == name }) {
			return r, fmt.Errorf("--option: %q is not NAME=VALUE with an option of provider %s; stopover providers %s lists them", o, f.from, f.from)
		}
		r.Options[name] = value
	}
	return r, nil
}

// free refuses a directory that has a configuration.
func free(dir string) error {
	found, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*.stopover.hcl*"))
	if err != nil {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	if len(found) > 0 {
		return &apply.RefusedError{Reason: fmt.Sprintf("%s has a configuration already (%s): nothing was written; name another directory", dir, filepath.Base(found[0]))}
	}
	return nil
}

// escapeGlob makes a path a pattern of itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// surveyFor looks at the server that the configuration will be about.
func surveyFor(ctx context.Context, dir string, r starter.Request) (*schema.FoundServer, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	opened, err := r.Kind.Open(ctx, schema.Server{Name: "client", Provider: r.Kind.Name, Address: r.Address, Options: r.Options}, setup.Env(dir, exe, hclfile.Layouts()))
	if err != nil {
		return nil, err
	}
	found, err := opened.Survey(ctx, providers.SurveyOptions{Refresh: true})
	err = errors.Join(err, opened.Close())
	switch {
	case err != nil:
		return nil, fmt.Errorf("survey %s: %w", schema.QuoteName(r.Address), err)
	case found.Presence == schema.Absent:
		return nil, fmt.Errorf("there is no server at %s: nothing was written", schema.QuoteName(r.Address))
	case found.Presence != schema.Present:
		return nil, fmt.Errorf("the server at %s does not answer: nothing was written: %s", schema.QuoteName(r.Address), found.Error)
	}
	return found, nil
}

// adoptPort writes down the port on which the server's sites answer, where that
// is an option of its kind: the transit server has to use the same one.
func adoptPort(r *starter.Request) {
	const option = "http_port"
	if r.Found == nil || r.Options[option] != "" {
		return
	}
	i := slices.IndexFunc(r.Kind.Options, func(o providers.Option) bool { return o.Name == option })
	colon := strings.LastIndexByte(r.Found.HTTP, ':')
	if i < 0 || colon < 0 {
		return
	}
	if port := r.Found.HTTP[colon+1:]; port != r.Kind.Options[i].Default && strings.Trim(port, "0123456789") == "" && port != "" {
		r.Options[option] = port
	}
}

// create writes a file that must not be there yet.
func create(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the directory of %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &apply.RefusedError{Reason: path + " is there already: nothing was written"}
	}
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}
