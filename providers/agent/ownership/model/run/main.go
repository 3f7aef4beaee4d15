// Command run model-checks the ownership protocol: it compiles ownership.pml
// with spin and gcc once per case of its table, runs the cases in parallel, and
// prints what each one found.
//
// It exits 1 when a configuration of the protocol fails, when a mutant survives
// that should not (or the other way round), when a reachability assertion is not
// reached, or when transitions.txt and the model differ.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	if err := check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check() error {
	dir := flag.String("dir", "", "directory of ownership.pml (default: beside this program)")
	workers := flag.Int("workers", 2, "cases that run at the same time")
	quick := flag.Bool("quick", false, "only the main configurations and a few mutants")
	only := flag.String("only", "", "only cases whose name contains one of these words (separated by commas)")
	markdown := flag.Bool("markdown", false, "print Markdown tables")
	memory := flag.Int("memory", 4096, "limit of one case, in MiB")
	flag.Parse()

	if err := tools(); err != nil {
		return err
	}
	model, err := locate(*dir)
	if err != nil {
		return err
	}
	if err := compareTransitions(model); err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "stopover-model-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := checker{model: filepath.Join(model, "ownership.pml"), temp: temp, memory: *memory}
	cases := choose(table(), *quick, *only)
	if len(cases) == 0 {
		return fmt.Errorf("no case is called %q", *only)
	}
	results := c.all(ctx, cases, *workers, func(r result) {
		if *markdown {
			fmt.Fprintln(os.Stderr, r.line())
		} else {
			fmt.Println(r.line())
		}
	})
	if *markdown {
		printMarkdown(os.Stdout, results)
	}
	return verdict(results)
}

// tools tells whether spin and gcc are here, and how to get them when not.
func tools() error {
	var missing []string
	for _, name := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("the model needs %s, not found here; on Debian: apt-get install spin gcc", strings.Join(missing, " and "))
}

// locate finds the directory of the model: the one asked for, the one beside
// this source file, or the usual place below the working directory.
func locate(dir string) (string, error) {
	candidates := []string{dir}
	if dir == "" {
		candidates = []string{filepath.Join("providers", "agent", "ownership", "model"), "."}
		if _, file, _, ok := runtime.Caller(0); ok {
			candidates = append(candidates, filepath.Dir(filepath.Dir(file)))
		}
	}
	for _, c := range candidates {
		if _, err := os.Stat(filepath.Join(c, "ownership.pml")); err == nil {
			return c, nil
		}
	}
	return "", fmt.Errorf("ownership.pml not found in %s; start this from the root of the repository or name it with -dir", strings.Join(candidates, ", "))
}

// verdict counts what went otherwise than expected.
func verdict(results []result) error {
	var bad []string
	for _, r := range results {
		if r.err != nil || !r.asExpected() {
			bad = append(bad, r.c.name)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d of %d cases are not as expected: %s", len(bad), len(results), strings.Join(bad, ", "))
	}
	return nil
}
