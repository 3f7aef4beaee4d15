package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A checker compiles and runs cases.
type checker struct {
	model  string // path of ownership.pml
	temp   string // directory for intermediate files
	memory int    // MiB
}

// A result is what spin said about one case.
type result struct {
	c       testCase
	found   string // kind of error, empty when the search was complete without one
	states  int64
	depth   int
	seconds float64 // processor time of the search
	mib     float64
	err     error // the case could not be run to its end
}

// all runs the cases, workers at a time, and returns the results in the order
// of the cases; report hears of each as it ends.
func (c checker) all(ctx context.Context, cases []testCase, workers int, report func(result)) []result {
	results := make([]result, len(cases))
	next := make(chan int)
	var wait sync.WaitGroup
	var said sync.Mutex
	for range max(1, workers) {
		wait.Go(func() {
			for i := range next {
				results[i] = c.one(ctx, cases[i], i)
				said.Lock()
				report(results[i])
				said.Unlock()
			}
		})
	}
	for i := range cases {
		next <- i
	}
	close(next)
	wait.Wait()
	return results
}

// one compiles and runs a case in a directory of its own.
func (c checker) one(ctx context.Context, t testCase, i int) result {
	r := result{c: t}
	dir := filepath.Join(c.temp, strconv.Itoa(i))
	defer os.RemoveAll(dir)
	if r.err = os.Mkdir(dir, 0o700); r.err != nil {
		return r
	}
	if r.err = c.compile(ctx, t, dir); r.err != nil {
		return r
	}
	args := []string{"-E", "-m1000000", "-w20"}
	if t.kind == acyclic {
		args = append(args, "-l")
	}
	out, spent, err := command(ctx, dir, "./pan", args...)
	r.seconds = spent.Seconds()
	if err != nil {
		r.err = err
		return r
	}
	r.parse(out)
	return r
}

// compile has spin write a verifier of the model under the macros of t, and gcc
// make it.
func (c checker) compile(ctx context.Context, t testCase, dir string) error {
	source, err := os.ReadFile(c.model)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "ownership.pml"), source, 0o600); err != nil {
		return err
	}
	args := []string{"-a"}
	for _, d := range t.macros() {
		args = append(args, "-D"+d)
	}
	if _, _, err := command(ctx, dir, "spin", append(args, "ownership.pml")...); err != nil {
		return err
	}
	search := "-DSAFETY"
	if t.kind == acyclic {
		search = "-DNP"
	}
	// Optimising takes gcc longer than a search of a few million states gains.
	level := "-O0"
	if t.heavy {
		level = "-O2"
	}
	_, _, err = command(ctx, dir, "gcc", level, "-w", search, "-DCOLLAPSE", "-DNOFAIR",
		fmt.Sprintf("-DMEMLIM=%d", c.memory), "-o", "pan", "pan.c")
	return err
}

// command runs a program in dir and returns what it printed and the processor
// time that it took: on a busy machine the only time that says something.
func command(ctx context.Context, dir, name string, args ...string) (string, time.Duration, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && ctx.Err() != nil {
		return "", 0, ctx.Err()
	} else if err != nil {
		text := strings.TrimSpace(out.String())
		if len(text) > 600 {
			text = text[len(text)-600:]
		}
		return "", 0, fmt.Errorf("run %s: %w: %s", name, err, text)
	}
	return out.String(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// parse reads the report of a verifier.
func (r *result) parse(out string) {
	r.states = int64(number(out, `(?m)^\s*([0-9.e+]+) states, stored`))
	r.depth = int(number(out, `depth reached (\d+)`))
	r.mib = number(out, `(?m)^\s*([0-9.]+)\s+total actual memory usage`)
	r.found = kindOf(out)
	switch {
	case strings.Contains(out, "max search depth too small"):
		r.err = fmt.Errorf("the search was cut at depth %d", r.depth)
	case strings.Contains(out, "Search not completed") && r.found == "":
		r.err = fmt.Errorf("the search was not completed: out of memory")
	case r.states == 0:
		r.err = fmt.Errorf("the verifier printed no count of states")
	}
}

func number(text, pattern string) float64 {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0
	}
	return v
}

// kindOf names the property that a verifier saw violated.
func kindOf(out string) string {
	if strings.Contains(out, "non-progress cycle") && strings.Contains(out, "pan:1: non-progress") {
		return "cycle"
	}
	m := regexp.MustCompile(`pan:1: assertion violated (.*)`).FindStringSubmatch(out)
	if m == nil {
		return ""
	}
	switch a := strings.ReplaceAll(m[1], " ", ""); {
	case strings.HasPrefix(a, "0") || strings.HasPrefix(a, "(0)"):
		return "reached"
	case strings.HasPrefix(a, "!((door[0]&&door[1]))"):
		return "two serve"
	case strings.Contains(a, "==5)&&door["):
		return "a copy waits for ever"
	case strings.Contains(a, "wr==") || strings.HasPrefix(a, "(door[0]||door[1])"):
		return "nobody serves at the end"
	case strings.Contains(a, "acked&"):
		return "write lost"
	case strings.Contains(a, "st[0]!=5"):
		return "owner wiped"
	}
	return "not one owner"
}
