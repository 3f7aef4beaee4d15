package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/ownership"
	"github.com/stopover/stopover/schema"
)

// A trial copies databases of an account that goes on being used, opens them
// in a scratch place and drops them. It touches no record and no place of an
// account. At the origin it has a session of its own beside those of passes,
// and a freeze ends it first: a cutover does not notice that there was one.

// tornTries is how often a database that nobody can hold still is copied anew,
// because something wrote to it meanwhile.
const tornTries = 5

// trialRun is one end of a trial that is under way.
type trialRun struct {
	account string
	term    uint64
	origin  bool
	ctx     context.Context
	cancel  context.CancelCauseFunc
	ended   chan struct{}
}

// beginTrial registers one end of a trial; end has to be called when nothing of
// it is left.
func (a *Agent) beginTrial(ctx context.Context, account string, term uint64, origin bool) (t *trialRun, end func()) {
	t = &trialRun{account: account, term: term, origin: origin, ended: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	stop := context.AfterFunc(a.ctx, func() { t.cancel(fmt.Errorf("%w: the agent ends", providers.ErrTemporary)) })
	a.mu.Lock()
	a.trials[t] = true
	a.mu.Unlock()
	return t, func() {
		stop()
		t.cancel(nil)
		a.mu.Lock()
		delete(a.trials, t)
		a.mu.Unlock()
		close(t.ended)
	}
}

func (a *Agent) endTrials(which func(*trialRun) bool, why error) (ending []*trialRun) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for t := range a.trials {
		if which(t) {
			t.cancel(why)
			ending = append(ending, t)
		}
	}
	return ending
}

// endTrialsBelow ends the trials of runs that lost their claim.
func (a *Agent) endTrialsBelow(term uint64) {
	a.endTrials(func(t *trialRun) bool { return t.term < term }, fmt.Errorf("%w: the trial belongs to an older one", providers.ErrSuperseded))
}

// endTrialsOf ends what trials read of an account, and waits until they have
// closed its databases. The account's record says frozen by then, so that no
// other begins.
func (a *Agent) endTrialsOf(ctx context.Context, account string) error {
	why := fmt.Errorf("%w: account %s is being switched: try its databases again after that", providers.ErrTemporary, schema.QuoteName(account))
	for _, t := range a.endTrials(func(t *trialRun) bool { return t.origin && t.account == account }, why) {
		select {
		case <-t.ended:
		case <-ctx.Done():
			return fmt.Errorf("a trial of its databases does not end: %w", ctx.Err())
		}
	}
	return nil
}

// cause prefers the reason for which a trial was ended to what came of it.
func (t *trialRun) cause(err error) error {
	if c := context.Cause(t.ctx); err != nil && c != nil && !errors.Is(c, context.Canceled) {
		return c
	}
	return err
}

// sendTrial is the origin's end: one database, held by a session of its own.
func (a *Agent) sendTrial(st grpc.ServerStream) error {
	var q sendRequest
	if err := st.RecvMsg(&q); err != nil {
		return err
	}
	o, err := a.session(st.Context(), q.Account, q.Term)
	if err != nil {
		return err
	}
	t, end := a.beginTrial(st.Context(), q.Account, q.Term, true)
	stop := context.AfterFunc(o.ctx, func() { t.cancel(fmt.Errorf("%w: the origin's session has ended", providers.ErrTemporary)) })
	// After it was registered: a freeze either sees this trial or is seen by it.
	if s := a.keeper.Status(q.Account); !s.Serves || s.Record.State == ownership.Frozen {
		stop()
		end()
		return fmt.Errorf("%w: account %s is %s: its databases are tried while it is in use", providers.ErrTemporary, schema.QuoteName(q.Account), s.Record.State)
	}
	// As in send, only the end of this handler frees a send that nobody reads.
	sent := make(chan error, 1)
	a.work.Go(func() {
		defer end()
		defer stop()
		_, err := guarded(a, "SendTrial", func() (*nothing, error) { return nil, a.sendTrialDatabase(t.ctx, &q, st) })
		sent <- t.cause(err)
	})
	select {
	case err := <-sent:
		return err
	case <-t.ctx.Done():
		select {
		case err := <-sent: // it had just ended by itself
			return err
		default:
			return t.cause(t.ctx.Err())
		}
	}
}

func (a *Agent) sendTrialDatabase(ctx context.Context, q *sendRequest, st grpc.ServerStream) (err error) {
	if err := st.SendMsg(&sendReady{Tell: true}); err != nil {
		return err
	}
	manifest, err := io.ReadAll(io.LimitReader(&streamReader{st: st, fail: plain}, maxManifest))
	if err != nil {
		return err
	}
	d, err := a.host.OpenDatabase(ctx, q.Account, q.Object)
	if err != nil {
		return err
	}
	w := &streamWriter{st: st}
	out, err := d.Send(ctx, providers.PassBulk, manifest, w, nil)
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return st.SendMsg(&sendAnswer{Bytes: out.Bytes, Items: 1, Total: out.Total, Whole: out.Whole})
}

// try is the trial server's end.
func (a *Agent) try(st grpc.ServerStream) error {
	var q tryRequest
	if err := st.RecvMsg(&q); err != nil {
		return err
	}
	t, end := a.beginTrial(st.Context(), q.Origin.Account, q.Term, false)
	// Registered before it is looked at: a newer claim ends it, or refuses it.
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		end()
		return refused(err)
	}
	r := &reporter{st: st}
	tried := make(chan error, 1)
	var fact *schema.TrialFact
	a.work.Go(func() {
		defer end()
		var err error
		fact, err = guarded(a, "Try", func() (*schema.TrialFact, error) { return a.tryAccount(t.ctx, q.Origin, r.progress) })
		tried <- t.cause(err)
	})
	if err := <-tried; err != nil {
		return err
	}
	return r.finish(&pullEvent{Tried: fact})
}

func (a *Agent) tryAccount(ctx context.Context, o providers.Origin, report func(providers.Progress)) (_ *schema.TrialFact, err error) {
	began := time.Now()
	// One trial of an account at a time: an earlier one, whose caller is gone, may
	// still be clearing up.
	m := a.mutex(a.trying, o.Account)
	if !lockWithin(ctx, m) {
		return nil, ctx.Err()
	}
	defer m.Unlock()
	place, err := a.host.Trial(o.Account)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, place.Drop()) }()
	c, err := dial(o.Agent, a.peers.dial, o.Credential)
	if err != nil {
		return nil, err
	}
	defer c.close()
	has, err := objectsOf(ctx, c, o)
	if err != nil {
		return nil, err
	}
	run := &trying{a: a, origin: o, c: c, place: place, report: report}
	run.p.ItemsTotal = int64(len(has.Databases))
	for _, d := range has.Databases {
		run.p.BytesTotal += d.Bytes
	}
	fact := place.About()
	for _, d := range has.Databases {
		tried, err := run.database(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", schema.QuoteName(d.Name), err)
		}
		tried.Engine = d.Engine
		fact.Databases = append(fact.Databases, tried)
		run.p.Items++
		run.done += d.Bytes
	}
	fact.Took = time.Since(began)
	return &fact, nil
}

// trying is a trial of one account's databases, one after the other.
type trying struct {
	a      *Agent
	origin providers.Origin
	c      *connection
	place  Trial
	report func(providers.Progress)
	p      providers.Progress
	done   int64 // bytes of the databases before this one
}

func (t *trying) say(bytes int64, note string) {
	p := t.p
	p.Bytes, p.Note = t.done+bytes, note
	t.report(p)
}

func (t *trying) database(ctx context.Context, d schema.Database) (schema.TriedDatabase, error) {
	if err := t.place.Room(ctx, d.Bytes); err != nil {
		return schema.TriedDatabase{}, err
	}
	t.say(0, d.Name)
	whole, err := t.copy(ctx, d)
	if err != nil {
		return schema.TriedDatabase{}, err
	}
	var out schema.TriedDatabase
	if whole {
		if out, err = t.place.Try(ctx, d.Name); err != nil {
			return out, err
		}
	} else {
		out = schema.TriedDatabase{Bytes: d.Bytes, Warnings: []string{
			"it could not be tried: something wrote to it each time that it was copied, and nothing holds a database that is not in WAL mode still"}}
	}
	out.Name = d.Name
	return out, t.place.Empty()
}

// copy brings one database here as it was at one moment; whole says whether
// that came about.
func (t *trying) copy(ctx context.Context, d schema.Database) (whole bool, err error) {
	c, err := t.place.Database(d.Name)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tell := func(w io.Writer) error {
		m, err := c.Manifest(ctx, providers.PassBulk)
		if err == nil {
			_, err = io.Copy(w, bytes.NewReader(m))
		}
		return err
	}
	take := func(r io.Reader) error {
		return c.Receive(ctx, r, func(done, _ int64) {
			t.say(min(done, d.Bytes), d.Name)
			if err := t.place.Room(ctx, 0); err != nil { // more came than was announced, or others need room
				cancel(err)
			}
		})
	}
	q := &sendRequest{Account: t.origin.Account, Term: t.origin.Term, Part: PartDatabases, Object: d.Name, Pass: providers.PassBulk}
	for range tornTries {
		out, err := exchange(ctx, t.c, "SendTrial", q, ctx.Err, tell, take)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return false, err
		}
		if out.Whole {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false, nil
}
