package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/examples/ledger"
	"github.com/stopover/stopover/providers/local"
)

// predict says how well plans predict the downtime of cutovers: "torture
// predict -stopover bin/stopover". Accounts of mixed sizes are moved out, rolled
// back, moved out again and, once the source was reinstalled, moved home, in
// batches, so that each plan knows what the batches before it took. It prints
// Markdown, from what `stopover report` says.
func predict(args []string) error {
	f := flag.NewFlagSet("predict", flag.ExitOnError)
	stopover := f.String("stopover", "bin/stopover", "the shipped binary")
	n := f.Int("accounts", 36, "accounts; each is cut over four times, and scored three times: rollbacks are not")
	batch := f.Int("batch", 4, "accounts in one plan")
	seed := f.Uint64("seed", 1, "seed of the sizes")
	quiet := f.Bool("quiet", false, "without visitors")
	_ = f.Parse(args)
	defer removeBuilt()
	exe, err := filepath.Abs(*stopover)
	if err != nil {
		return err
	}
	w, err := mixedWorld(*n, *seed)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	p := &predicting{exe: exe, w: w, batch: *batch}
	defer func() {
		for _, dir := range []string{w.client, w.transit} {
			err = errors.Join(err, local.Stop(context.Background(), dir))
		}
		_ = os.RemoveAll(w.dir)
	}()
	if _, err := p.tool("inventory"); err != nil { // starts the source
		return err
	}
	if !*quiet {
		front := fmt.Sprintf("%s:%d", w.clientIP, httpPort)
		for _, a := range w.accounts {
			if err := awaitSite(ctx, front, a.Domain); err != nil {
				return err
			}
		}
		load := ledger.New(ledger.Options{HTTP: front, Accounts: w.accounts, Run: "p", Pause: 200 * time.Millisecond})
		loaded := make(chan struct{})
		go func() { defer close(loaded); load.Run(ctx) }()
		defer func() { stop(); <-loaded }()
	}
	if err := p.journey(); err != nil {
		return err
	}
	return p.print()
}

// mixedWorld makes accounts whose files and databases lie, evenly on a
// logarithmic scale, between 50 and 20,000 files and between 1 and 200 MB.
func mixedWorld(n int, seed uint64) (*world, error) {
	r := rand.New(rand.NewPCG(seed, 77))
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("acct%02d", i))
	}
	w, err := newWorldOf(r, names, false)
	if err != nil {
		return nil, err
	}
	between := func(low, high float64) int { return int(low * math.Pow(high/low, r.Float64())) }
	for _, name := range names {
		at := where(w.client, name)
		if err := fillFiles(filepath.Join(at, "home", "data"), between(50, 20000)); err != nil {
			return nil, err
		}
		if err := fillDatabase(context.Background(), filepath.Join(at, "databases", "bulk.sqlite"), between(1, 200)); err != nil {
			return nil, err
		}
	}
	return w, nil
}

type predicting struct {
	exe   string
	w     *world
	batch int
}

// tool runs the shipped binary; that only gates are left is no error.
func (p *predicting) tool(args ...string) ([]byte, error) {
	c := exec.Command(p.exe, append([]string{"-C", p.w.dir}, args...)...)
	out, err := c.Output()
	if err != nil && exitCode(err) != 3 {
		var e *exec.ExitError
		if errors.As(err, &e) {
			out = append(out, e.Stderr...)
		}
		return nil, fmt.Errorf("stopover %s: %w: %s", strings.Join(args, " "), err, tail(string(out), 2000))
	}
	return out, nil
}

// batches calls do with a few accounts at a time.
func (p *predicting) batches(do func(names []string) error) error {
	for some := range slices.Chunk(p.w.accounts, p.batch) {
		var names []string
		for _, a := range some {
			names = append(names, a.Name)
		}
		if err := do(names); err != nil {
			return err
		}
	}
	return nil
}

func (p *predicting) out(names []string) error {
	_, err := p.tool(append([]string{"apply", "--auto-approve", "--until", "verify"}, accountFlags(names)...)...)
	return err
}

func accountFlags(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, "--account", n)
	}
	return out
}

func (p *predicting) journey() error {
	// Nobody goes before everybody is prepared.
	if _, err := p.tool("apply", "--auto-approve", "--until", "install"); err != nil {
		return err
	}
	if err := p.batches(p.out); err != nil {
		return err
	}
	back := func(names []string) error {
		_, err := p.tool(append([]string{"rollback", "--auto-approve"}, names...)...)
		return err
	}
	if err := p.batches(back); err != nil {
		return err
	}
	if err := p.batches(p.out); err != nil {
		return err
	}
	if _, err := p.tool("approve", "verify.accept[*]"); err != nil {
		return err
	}
	if _, err := p.tool("apply", "--auto-approve", "--until", "reinstall", "--confirm-reinstall", "client"); err != nil {
		return err
	}
	return p.batches(func(names []string) error {
		_, err := p.tool(append([]string{"apply", "--auto-approve", "--until", "relocate"}, accountFlags(names)...)...)
		return err
	})
}

// verdict is one cutover in the report.
type verdict struct {
	Account    string        `json:"account"`
	To         string        `json:"to"`
	Predicted  time.Duration `json:"predicted"`
	Measured   time.Duration `json:"measured"`
	Confidence string        `json:"confidence"`
	Error      float64       `json:"error"`
}

func (p *predicting) print() error {
	out, err := p.tool("report", "--json")
	if err != nil {
		return err
	}
	list, err := verdicts(out)
	if err != nil {
		return err
	}
	fmt.Println("| predictions | cutovers | median downtime | median error | 95 % of errors below | largest |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, confidence := range []string{"", "rule", "measured", "range"} {
		printScore(confidence, list)
	}
	return nil
}

// verdicts finds the scored cutovers, wherever in the report they stand.
func verdicts(report []byte) ([]verdict, error) {
	var x struct {
		Score struct {
			Cutovers []verdict `json:"cutovers"`
		} `json:"score"`
	}
	if err := json.Unmarshal(report, &x); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if len(x.Score.Cutovers) == 0 {
		return nil, fmt.Errorf("the report scores no cutover: %s", tail(string(report), 1000))
	}
	return x.Score.Cutovers, nil
}

func printScore(confidence string, all []verdict) {
	var errs []float64
	var took []time.Duration
	for _, v := range all {
		if confidence == "" || v.Confidence == confidence {
			errs = append(errs, math.Abs(v.Error))
			took = append(took, v.Measured)
		}
	}
	if len(errs) == 0 {
		return
	}
	slices.Sort(errs)
	slices.Sort(took)
	at := func(percent int) float64 { return 100 * errs[(len(errs)*percent+99)/100-1] }
	what := "all"
	if confidence != "" {
		what = "by " + confidence
	}
	fmt.Printf("| %s | %d | %d ms | %.0f %% | %.0f %% | %.0f %% |\n", what, len(errs), took[len(took)/2].Milliseconds(), at(50), at(95), at(100))
}
