package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// relay tries an account's databases where the two servers do not reach each
// other: each dump goes from the one through this run to the other. Results are
// remembered by engine, for a result names the one version that it was had on;
// what was found before a fault of the trial itself is remembered too.
func (x *run) relay(ctx context.Context, s *plan.Step, from, on *server) (done, error) {
	began := x.clock.Now()
	databases := relayed(s, from)
	p := providers.Progress{ItemsTotal: int64(len(databases))}
	for _, d := range databases {
		p.BytesTotal += d.Bytes
	}
	tell := x.progress(s, plan.PartDatabases)
	results := map[string]*schema.TrialFact{}
	var engines []string
	var fault error
	var before int64
	for _, d := range databases {
		p.Note = d.Name
		out, err := relayOne(ctx, s.Account, d, from, on, func(n int64) {
			p.Bytes = before + min(n, d.Bytes) // a dump may be larger than its database
			tell(p)
		})
		if err != nil {
			fault = fmt.Errorf("try the %s database %s of %s on server %s: %w", d.Engine, schema.QuoteName(d.Name), schema.QuoteName(s.Account), schema.QuoteName(on.name), err)
			break
		}
		r := results[d.Engine]
		if r == nil {
			r = &schema.TrialFact{Server: on.name, Engine: d.Engine, Version: on.engine(d.Engine)}
			results[d.Engine], engines = r, append(engines, d.Engine)
		}
		out.Name, out.Engine = d.Name, d.Engine
		r.Databases = append(r.Databases, out)
		before += d.Bytes
		p.Items++
	}
	return x.relayDone(s, on, engines, results, x.since(began), fault)
}

func (x *run) relayDone(s *plan.Step, on *server, engines []string, results map[string]*schema.TrialFact, took time.Duration, fault error) (done, error) {
	var all done
	for _, e := range engines {
		results[e].Took = took
		d := tried(s, on, *results[e])
		all.items, all.bytes, all.sent, all.notes = all.items+d.items, all.bytes+d.bytes, all.sent+d.sent, append(all.notes, d.notes...)
		if err := x.rememberTrial(s, on, *results[e]); err != nil {
			return all, errors.Join(fault, err)
		}
	}
	if fault != nil {
		return all, fault
	}
	for _, e := range engines {
		if err := wouldNotArrive(s, on, *results[e]); err != nil {
			return all, err
		}
	}
	return all, nil
}

// relayed are the databases that a step is about: those it names, or all of the
// account's.
func relayed(s *plan.Step, from *server) []schema.Database {
	a := from.found.Account(s.Account)
	if a == nil {
		return nil
	}
	out := slices.Clone(a.Databases)
	if len(s.Objects) > 0 {
		out = slices.DeleteFunc(out, func(d schema.Database) bool { return !slices.Contains(s.Objects, d.Engine+"/"+d.Name) })
	}
	return out
}

// engine is the version of an engine that the server was found with.
func (s *server) engine(name string) string {
	if s.found != nil {
		for _, e := range s.found.Engines {
			if e.Name == name {
				return e.Version
			}
		}
	}
	return ""
}

// afterAnswer is how long a dump has to end by itself when the answer is there
// before its end: its server may write nothing for a long time.
const afterAnswer = 10 * time.Second

// relayOne sends one dump from server to server. Nothing is kept on the way, and
// neither end runs ahead of the other.
func relayOne(ctx context.Context, account string, d schema.Database, from, on *server, sent func(int64)) (schema.TriedDatabase, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	var dumped providers.Dumped
	var dumpErr error
	over := make(chan struct{})
	go func() {
		dumped, dumpErr = from.can.Dumper.Dump(ctx, account, d, w)
		close(over)
		_ = w.CloseWithError(dumpErr) // nil: the end
	}()
	out, err := on.can.Loader.TryDump(ctx, account, d, &relayReader{r: r, sent: sent})
	dumpFailed := false // by itself, and not because nobody reads any more
	select {
	case <-over:
		dumpFailed = dumpErr != nil
	default:
	}
	_ = r.Close() // an answer may come before the end of the dump
	stopped := err != nil || !endsSoon(over)
	if stopped {
		cancel()
	}
	<-over
	early := errors.Is(dumpErr, io.ErrClosedPipe) || stopped && dumpErr != nil
	switch {
	case dumpFailed, dumpErr != nil && !early && err == nil:
		return out, fmt.Errorf("dump it on server %s: %w", schema.QuoteName(from.name), dumpErr)
	case err != nil:
		return out, err
	case early && len(out.Errors) == 0:
		return out, fmt.Errorf("server %s took only a part of the dump and found nothing wrong", schema.QuoteName(on.name))
	}
	out.Warnings = append(slices.Clone(dumped.Warnings), out.Warnings...)
	return out, nil
}

// endsSoon waits for the end of a dump that nobody reads any more.
func endsSoon(over <-chan struct{}) bool {
	t := time.NewTimer(afterAnswer)
	defer t.Stop()
	select {
	case <-over:
		return true
	case <-t.C:
		return false
	}
}

// relayReader counts what passes.
type relayReader struct {
	r    io.Reader
	n    int64
	sent func(int64)
}

func (c *relayReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.sent(c.n)
	return n, err
}
