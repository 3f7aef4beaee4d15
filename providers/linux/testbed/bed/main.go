//go:build linux

// Command bed brings test hosts up and down, for people who want to try
// Stopover on real servers: make testbed, make testbed-down.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/stopover/stopover/providers/linux/testbed"
)

const usage = `bed roots RELEASE...        make the roots of Debian releases
bed up [DIRECTORY]          start client (bookworm) with sample accounts and transit (trixie), and
                            write a configuration for them into the directory (testbed)
bed list                    the beds that run
bed exec HOST COMMAND...    run a command on a host of the first bed
bed down [DIRECTORY]        end beds that were brought up, remove what is left`

func main() {
	testbed.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	// What a command of a host says, it has said.
	if e := (*testbed.ExitError)(nil); errors.As(err, &e) && e.Code > 0 && os.Args[1] == "exec" {
		os.Exit(e.Code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("what to do?\n" + usage)
	}
	switch verb, rest := args[0], args[1:]; verb {
	case "roots":
		if len(rest) == 0 {
			rest = []string{"bookworm", "trixie"}
		}
		_, err := testbed.Roots(ctx, rest, out)
		return err
	case "up":
		return up(ctx, rest, out)
	case "list":
		return list(out)
	case "exec":
		return execute(ctx, rest)
	case "down":
		return down(ctx, rest, out)
	default:
		return fmt.Errorf("%q is not known\n%s", verb, usage)
	}
}

func list(out io.Writer) error {
	dirs, err := testbed.Beds()
	if err != nil {
		return err
	}
	for _, d := range dirs {
		b, err := testbed.Open(d)
		if err != nil {
			fmt.Fprintln(out, d, "(of a test that runs)")
			continue
		}
		fmt.Fprintln(out, d)
		for _, h := range b.Hosts() {
			fmt.Fprintf(out, "  %-12s %-10s %s\n", h.Name, h.Release(), h.Address())
		}
	}
	return nil
}

// detached is the first bed that runs on its own.
func detached() (*testbed.Bed, error) {
	dirs, err := testbed.Beds()
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		if b, err := testbed.Open(d); err == nil {
			return b, nil
		}
	}
	return nil, errors.New("no bed is up: run make testbed")
}

func execute(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("a host and a command are needed\n" + usage)
	}
	b, err := detached()
	if err != nil {
		return err
	}
	h := b.Host(args[0])
	if h == nil {
		var names []string
		for _, h := range b.Hosts() {
			names = append(names, h.Name)
		}
		return fmt.Errorf("no host %q: there are %s", args[0], strings.Join(names, ", "))
	}
	return h.Exec(ctx, testbed.Command{Argv: args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
}
