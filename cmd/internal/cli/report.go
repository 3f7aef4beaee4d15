package cli

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/cmd/internal/view"
)

func (p *program) report() *cobra.Command {
	var f formatFlags
	var promised string
	var refresh bool
	c := &cobra.Command{
		Use: "report", Short: "Tell the journey: what was done when, what it cost in downtime, what is left", Args: atMost(),
		Long: `Tell the journey so far, or the finished one: where every account is, when each
moved and how long it was down, beside what had been predicted; who approved
what, what was waived, what became of what did not move, and what is left.

With --promised the dates are compared with those of a saved plan.`,
		Example: "  stopover report\n  stopover report --format html --out report.html --promised plan.json",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(p.json); err != nil {
				return err
			}
			in := report.Input{Now: time.Now()}
			var err error
			if promised != "" {
				if in.Promised, err = loadPlan(promised); err != nil {
					return err
				}
			}
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			computed, err := project.Compute(c.Context(), setup.Request{Now: in.Now, Refresh: refresh})
			if err != nil {
				return err
			}
			log, err := project.Store.Load(c.Context())
			if err != nil {
				return err
			}
			in.Plan, in.Past, in.Inventory, in.Run = computed.Plan, computed.Past, computed.Inventory, report.LastRun(log)
			made := report.Build(in)
			return p.shown(&f, func(v *view.View, format string) error { return v.Report(made, format) })
		},
	}
	p.formatFlags(c, &f)
	refreshFlag(c, &refresh)
	c.Flags().StringVar(&promised, "promised", "", "saved plan whose dates are compared with what happened")
	return c
}

// formatFlags say what a page looks like and where it goes.
type formatFlags struct {
	format string
	out    string
}

func (p *program) formatFlags(c *cobra.Command, f *formatFlags) {
	c.Flags().StringVar(&f.format, "format", view.Text, "what it looks like ("+strings.Join(view.Formats(), ", ")+")")
	c.Flags().StringVar(&f.out, "out", "", "write it into this file")
	p.completeFlag(c, "format", words(view.Formats()...))
}

func (f *formatFlags) check(json bool) error {
	switch {
	case !slices.Contains(view.Formats(), f.format):
		return fmt.Errorf("--format: there is no format %q; there are %s", f.format, strings.Join(view.Formats(), ", "))
	case json && f.format != view.Text && f.format != view.JSON:
		return errors.New("--json and --format " + f.format + " contradict each other: --json-into writes JSON besides")
	}
	return nil
}

// shown shows a page, or writes it into a file in one move.
func (p *program) shown(f *formatFlags, show func(*view.View, string) error) error {
	if f.out == "" {
		return show(p.view(), f.format)
	}
	var b bytes.Buffer
	o := p.options()
	o.NoColor = true
	if err := show(view.New(&b, p.err, o), f.format); err != nil {
		return err
	}
	if err := store(f.out, b.Bytes()); err != nil {
		return err
	}
	o.JSONInto = nil
	view.New(p.out, p.err, o).Wrote(f.out)
	return nil
}
