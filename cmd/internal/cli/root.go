// Package cli holds the commands, one file each: flags, calls, view. It
// decides nothing and prints nothing itself.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/cmd/internal/view"
	"github.com/stopover/stopover/schema/hclfile"
)

// exitChanges is plan --detailed-exitcode's word for "there are steps to do".
const exitChanges = 2

// program is what all commands share.
type program struct {
	in       io.Reader
	out, err io.Writer
	dir      string
	json     bool
	noColor  bool
	verbose  bool
	vars     []hclfile.Assignment // of --var and --var-file, in order
	jsonInto string
	into     *os.File // jsonInto, once it is open
	shows    *view.View
	graceful context.Context // ends at the first Ctrl-C; the command's context ends at the second
	exit     int
}

// Main runs the program and returns its exit status.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	hard, stop := context.WithCancel(context.Background())
	defer stop()
	soft, ease := context.WithCancel(hard)
	defer ease()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		ease()
		<-signals
		stop()
		signal.Stop(signals) // a third one ends the process as it ends any other: that is safe at every moment
	}()
	p := &program{in: in, out: out, err: errOut, graceful: soft}
	root := p.root()
	p.json = slices.Contains(args, "--json") // for an error that comes before flags are read
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return p.closed(p.status(root.ExecuteContext(hard)))
}

// openInto opens the file of --json-into before anything is done: a run whose
// record cannot be kept does not begin.
func (p *program) openInto() error {
	if p.jsonInto == "" {
		return nil
	}
	f, err := os.OpenFile(p.jsonInto, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("--json-into: %w", err)
	}
	p.into = f
	return nil
}

// closed ends the file of --json-into. What is missing there is an error, unless
// the command has a worse one.
func (p *program) closed(exit int) int {
	if p.into == nil {
		return exit
	}
	err := p.into.Close()
	p.shows = nil // nothing goes into it any more
	if p.into = nil; err == nil {
		return exit
	}
	return max(exit, p.status(fmt.Errorf("write %s: %w", p.jsonInto, err)))
}

// status turns a command's end into an exit status, and says what went wrong.
func (p *program) status(err error) int {
	if err == nil {
		return p.exit
	}
	var config *setup.ConfigError
	if errors.As(err, &config) { // its diagnostics were shown
		return apply.ExitError
	}
	p.view().Error(err)
	return apply.ExitCode(err)
}

func (p *program) options() view.Options {
	o := view.Options{JSON: p.json, NoColor: p.noColor || os.Getenv("NO_COLOR") != "", Verbose: p.verbose, Version: setup.Version}
	if p.into != nil {
		o.JSONInto = p.into
	}
	return o
}

// view is the one that shows everything of a command: an error must find the
// bars of a run that it ends, and a stream begins once.
func (p *program) view() *view.View {
	if p.shows == nil {
		p.shows = view.New(p.out, p.err, p.options())
	}
	return p.shows
}

const rootLong = `Stopover moves hosting accounts off a server and back.

You describe the source server, the transit server and the accounts in
*.stopover.hcl files. "stopover plan" reads what is really there and prints the
steps that are left; "stopover apply" does them. Whatever interrupts it, running
it again goes on.

Exit status:
  0    done, or nothing to do
  1    error, or some accounts failed or differ
  2    plan --detailed-exitcode: there are steps to do
  3    waiting: only gates or closed windows are left; who must do what is
       printed (fmt --check: a file is not formatted)
  4    refused: blockers, failed policy, stale saved plan, missing confirmation
  5    another run holds the lock or has claimed the servers
  130  interrupted; run again to go on`

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use: "stopover", Short: "Move hosting accounts off a server and back", Long: rootLong,
		SilenceErrors: true, SilenceUsage: true, Version: setup.Version,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		PersistentPreRunE: func(*cobra.Command, []string) error { return p.openInto() },
	}
	root.SetVersionTemplate("stopover {{.Version}}\n")
	root.Args, root.SuggestionsMinimumDistance = p.unknownCommand, 2
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	root.SetFlagErrorFunc(flagError)
	f := root.PersistentFlags()
	f.StringVarP(&p.dir, "chdir", "C", ".", "directory of the *.stopover.hcl files")
	f.BoolVar(&p.json, "json", false, "print JSON for programs")
	f.StringVar(&p.jsonInto, "json-into", "", "write the JSON into this file, besides the text")
	f.BoolVar(&p.noColor, "no-color", false, "print without colours (as does NO_COLOR)")
	f.BoolVarP(&p.verbose, "verbose", "v", false, "show every step, finding, gate and name instead of a summary")
	p.variableFlags(f)
	root.AddCommand(p.init(), p.fmt(), p.validate(), p.inventory(), p.check(), p.plan(), p.show(), p.apply(), p.statusCommand(), p.approve(), p.rollback(), p.verify(),
		p.report(), p.dns(), p.notices(), p.unlock(), p.recover(), p.declareLost(), p.providers(), p.schema(), p.version(), p.pocketServer())
	p.completeFlags(root)
	return root
}

// open opens the project and shows what its configuration's reader had to say.
func (p *program) open(ctx context.Context) (*setup.Project, error) {
	project, diags, err := setup.Open(ctx, p.dir, p.vars...)
	if len(diags) > 0 {
		p.view().Diagnostics(diags)
	}
	return project, err
}
