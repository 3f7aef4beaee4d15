// Torture moves accounts out and home on real processes while it hurts
// everything: it kills and pauses the tool and the pocket servers, reboots
// servers, cuts, delays and doubles what the servers say to each other, and
// takes a server's clock forward. It aims at the states of the ownership
// protocol, and counts the faults that hit each. Afterwards nothing that was
// acknowledged may be lost or doubled, at no time may both servers have served
// an account, and a later run must have finished the journey.
//
// It knows the tool only as the shipped binary. The faults between servers are
// decorators around the server's process, composed here and nowhere else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "pocket" {
		os.Exit(pocket(os.Args[2:]))
	}
	if len(os.Args) > 1 {
		for name, do := range map[string]func([]string) error{"downtime": downtime, "predict": predict} {
			if os.Args[1] != name {
				continue
			}
			if err := do(os.Args[2:]); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
				os.Exit(1)
			}
			return
		}
	}
	if err := torture(); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

type options struct {
	stopover string
	seed     uint64
	n        int
	parallel int
	limit    time.Duration
	keep     bool
	verbose  bool
}

func torture() error {
	var o options
	flag.StringVar(&o.stopover, "stopover", "bin/stopover", "the shipped binary")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of the faults")
	flag.IntVar(&o.n, "n", 100, "faults")
	flag.IntVar(&o.parallel, "parallel", 3, "journeys at the same time; most of each is waiting")
	flag.DurationVar(&o.limit, "limit", 0, "end after this time at the latest, faults done or not; 0: none")
	flag.BoolVar(&o.keep, "keep", false, "keep the directories of journeys that went wrong")
	flag.BoolVar(&o.verbose, "v", false, "say every fault")
	flag.Parse()
	var err error
	if o.stopover, err = filepath.Abs(o.stopover); err != nil {
		return err
	}
	if _, err := os.Stat(o.stopover); err != nil {
		return fmt.Errorf("%w: run make build first", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Printf("torture: SEED=%d N=%d\n", o.seed, o.n)
	began := time.Now()
	defer removeBuilt()
	total := newTally()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, o.limit)
		defer cancel()
	}
	var next atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, o.parallel)
	for range o.parallel {
		all.Go(func() {
			for total.left(o.n) && ctx.Err() == nil {
				if err := oneJourney(ctx, o, int(next.Add(1)-1), total, began); err != nil {
					failed <- err
					cancel()
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	if total.left(o.n) {
		return fmt.Errorf("only %d of %d faults after %v", total.faults, o.n, time.Since(began).Round(time.Second))
	}
	total.print(time.Since(began))
	return total.enough(o.n)
}

func oneJourney(ctx context.Context, o options, no int, total *tally, began time.Time) error {
	j := newJourney(o, no, total, rand.New(rand.NewPCG(o.seed, uint64(no))))
	if err := j.run(ctx); err != nil {
		return fmt.Errorf("journey %d (SEED=%d): %w", no, o.seed, errors.Join(err, j.close(o.keep)))
	}
	if err := j.close(false); err != nil {
		return err
	}
	total.mu.Lock()
	defer total.mu.Unlock()
	fmt.Printf("journey %-3d %4d faults so far, %6d writes acknowledged, %s\n", no, total.faults, total.writes, time.Since(began).Round(time.Second))
	return nil
}

// tally counts what was hurt, and in which state.
type tally struct {
	mu       sync.Mutex
	faults   int
	byState  map[string]int
	byKind   map[string]int
	writes   int64
	watched  int64
	answered int // times that law 4 was checked: the account answered within the lease
	worst    time.Duration
}

func newTally() *tally { return &tally{byState: map[string]int{}, byKind: map[string]int{}} }

func (t *tally) left(n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.faults < n
}

func (t *tally) add(state, kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults++
	t.byState[state]++
	t.byKind[kind]++
}

func (t *tally) print(took time.Duration) {
	fmt.Printf("\n%d faults in %v\n\n  in state                 faults\n", t.faults, took.Round(time.Second))
	for _, s := range states {
		fmt.Printf("  %-24s %6d\n", s, t.byState[s])
	}
	fmt.Printf("\n  fault                    times\n")
	for _, k := range sortedKeys(t.byKind) {
		fmt.Printf("  %-24s %6d\n", k, t.byKind[k])
	}
	fmt.Printf("\n  writes acknowledged      %6d   lost or doubled: 0\n", t.writes)
	fmt.Printf("  looked from outside      %6d times: never two servers serving one account\n", t.watched)
	fmt.Printf("  tool dead, then answered %6d times, after %v at the latest\n", t.answered, t.worst.Round(time.Millisecond))
}

// enough wants every state to have been hit in proportion: 50 of 1,000.
func (t *tally) enough(n int) error {
	for _, s := range states {
		if want := n / 20; t.byState[s] < want {
			return fmt.Errorf("only %d faults hit state %s, at least %d should", t.byState[s], s, want)
		}
	}
	return nil
}

func sortedKeys(m map[string]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
