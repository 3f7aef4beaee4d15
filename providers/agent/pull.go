package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/files"
	"github.com/stopover/stopover/schema"
)

// puller is one pull at the receiver.
type puller struct {
	a      *Agent
	q      *providers.PullRequest
	origin *connection
	place  Place
	copy   *copyState
	check  func() error // before each write: the claim stands and no prepare has begun
	report func(providers.Progress)
	out    providers.Pulled
}

// pull brings one part of a staged copy up to date. The bytes come straight
// from the origin's agent.
func (a *Agent) pull(st grpc.ServerStream) error {
	var q providers.PullRequest
	if err := st.RecvMsg(&q); err != nil {
		return err
	}
	account := q.Origin.Account
	stream, err := a.keeper.Stream(q.Term, account)
	if err != nil {
		return refused(err)
	}
	defer stream.Close()
	ctx, cancel := context.WithCancelCause(st.Context())
	defer cancel(nil)
	go func() {
		select {
		case <-stream.Done():
			cancel(fmt.Errorf("%w: the copy of %s is closed for data", providers.ErrSuperseded, schema.QuoteName(account)))
		case <-ctx.Done():
		}
	}()
	p := &puller{a: a, q: &q, copy: a.copyOf(account), check: stream.Check}
	if p.place, err = a.host.Place(account, true); err != nil {
		return err
	}
	if p.origin, err = dial(q.Origin.Agent, a.peers.dial, q.Origin.Credential); err != nil {
		return err
	}
	defer p.origin.close()
	reporter := &reporter{st: st}
	p.report = reporter.progress
	began := time.Now()
	if err := p.run(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil && st.Context().Err() == nil {
			err = cause
		}
		return err
	}
	p.out.Duration = time.Since(began)
	return reporter.finish(&pullEvent{Done: &p.out})
}

// reporter sends what a pull or a trial tells the tool, one message at a time: progress
// comes from whatever goroutine copies, and none may follow the last word.
type reporter struct {
	mu   sync.Mutex
	st   grpc.ServerStream
	last time.Time
	done bool
}

// progress is sent a few times a second and never fails: a pull does not end
// because nobody looks.
func (r *reporter) progress(p providers.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); !r.done && now.Sub(r.last) > 200*time.Millisecond {
		r.last = now
		_ = r.st.SendMsg(&pullEvent{Progress: &p})
	}
}

// finish sends the last word.
func (r *reporter) finish(e *pullEvent) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
	return r.st.SendMsg(e)
}

func (p *puller) run(ctx context.Context) error {
	if !lockWithin(ctx, &p.copy.mu) {
		return context.Cause(ctx)
	}
	defer p.copy.mu.Unlock()
	clear(p.copy.equal) // whatever was compared is about to change
	var err error
	switch p.q.Part {
	case PartDatabases:
		err = p.databases(ctx)
	case PartFiles:
		if err = p.settings(ctx); err == nil {
			err = p.tree(ctx)
		}
	default:
		err = p.tree(ctx)
	}
	if err != nil {
		return err
	}
	r := p.a.keeper.Status(p.q.Origin.Account).Record
	return p.a.host.Copied(p.q.Origin.Account, schema.CopiedPart{Part: p.q.Part, Epoch: r.Epoch, Bytes: p.out.Total, At: time.Now().UTC()})
}

// lockWithin takes a lock unless the context ends first.
func lockWithin(ctx context.Context, m *sync.Mutex) bool {
	for !m.TryLock() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(2 * time.Millisecond):
		}
	}
	return true
}

func (p *puller) objects(ctx context.Context) (*objectsAnswer, error) {
	return objectsOf(ctx, p.origin, p.q.Origin)
}

func objectsOf(ctx context.Context, c *connection, o providers.Origin) (*objectsAnswer, error) {
	return call[digestRequest, objectsAnswer](ctx, c, "Objects", &digestRequest{Account: o.Account, Term: o.Term})
}

func (p *puller) settings(ctx context.Context) error {
	o, err := p.objects(ctx)
	if err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	p.out.Altered, err = p.a.host.Settle(p.q.Origin.Account, o.Settings)
	return err
}

// exchange runs one stream from an origin: tell writes what the copy holds if
// the origin asks, take reads what it sends.
func exchange(ctx context.Context, origin *connection, method string, q *sendRequest, check func() error, tell func(io.Writer) error, take func(io.Reader) error) (*sendAnswer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st, err := origin.open(ctx, method)
	if err != nil {
		return nil, err
	}
	fail := func(err error) error { return streamError(st, err) }
	if err := st.SendMsg(q); err != nil && !errors.Is(err, io.EOF) {
		return nil, fail(err)
	}
	var ready sendReady
	if err := st.RecvMsg(&ready); err != nil {
		return nil, fail(err)
	}
	if ready.Tell {
		w := &streamWriter{st: st}
		if err := tell(w); err != nil {
			return nil, drained(st, fail, err)
		}
		if err := w.Close(); err != nil {
			return nil, drained(st, fail, err)
		}
	}
	r := &streamReader{st: st, fail: fail}
	if err := take(&checkedReader{r, check}); err != nil {
		return nil, err
	}
	if err := skipEnd(r); err != nil {
		return nil, err
	}
	var out sendAnswer
	if err := st.RecvMsg(&out); err != nil {
		return nil, fail(err)
	}
	return &out, nil
}

func (p *puller) exchange(ctx context.Context, q *sendRequest, tell func(io.Writer) error, take func(io.Reader) error) (*sendAnswer, error) {
	return exchange(ctx, p.origin, "Send", q, p.check, tell, take)
}

// drained finds the reason behind a broken send: gRPC tells it to the reader.
func drained(st grpc.ClientStream, fail func(error) error, err error) error {
	if errors.Is(err, io.EOF) {
		var c chunk
		if e := st.RecvMsg(&c); e != nil {
			return fail(e)
		}
	}
	return fail(err)
}

// skipEnd reads the mark that ends the bytes; anything before it that the
// reader did not want is a fault of whoever sent it.
func skipEnd(r *streamReader) error {
	n, err := io.Copy(io.Discard, r)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d bytes came after the end", n)
	}
	return err
}

// checkedReader stops between the origin's bytes and the receiver's writes
// once the copy is closed for data.
type checkedReader struct {
	r     io.Reader
	check func() error
}

func (c *checkedReader) Read(p []byte) (int, error) {
	if err := c.check(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func (p *puller) tree(ctx context.Context) error {
	dir, err := p.place.directory(p.q.Part)
	if err != nil {
		return err
	}
	known := p.copy.bases[p.q.Part]
	delete(p.copy.bases, p.q.Part)
	tell := func(w io.Writer) error {
		l, _, err := files.Scan(ctx, dir, files.ScanOptions{})
		if err == nil {
			_, err = l.WriteTo(w)
		}
		return err
	}
	take := func(r io.Reader) error {
		_, err := files.Receive(ctx, dir, r, files.ReceiveOptions{Progress: func(f files.Progress) {
			p.report(providers.Progress{Bytes: f.Bytes, BytesTotal: f.TotalBytes, Items: f.Files, ItemsTotal: f.TotalFiles})
		}})
		return err
	}
	out, err := p.exchange(ctx, p.request("", known), tell, take)
	if err != nil {
		return err
	}
	p.copy.bases[p.q.Part] = out.Base
	p.add(out)
	return nil
}

func (p *puller) request(object, base string) *sendRequest {
	return &sendRequest{Account: p.q.Origin.Account, Term: p.q.Origin.Term, Part: p.q.Part, Object: object,
		Pass: p.q.Pass, Token: p.q.Token, Base: base, Force: p.q.Force}
}

func (p *puller) add(s *sendAnswer) {
	p.out.Bytes += s.Bytes
	p.out.Items += s.Items
	p.out.Total += s.Total
	p.out.Notes = append(p.out.Notes, s.Notes...)
}

// databases copies every database that the origin has now, and removes from
// the copy what the origin has no more.
func (p *puller) databases(ctx context.Context) error {
	o, err := p.objects(ctx)
	if err != nil {
		return err
	}
	account := p.q.Origin.Account
	here, err := p.a.host.DatabaseNames(account)
	if err != nil {
		return err
	}
	for _, d := range here {
		if !slices.ContainsFunc(o.Databases, func(x schema.Database) bool { return x.Name == d }) {
			if err := p.a.host.CopyDatabase(account, d).Remove(); err != nil {
				return err
			}
			delete(p.copy.databases, d)
		}
	}
	for _, d := range o.Databases {
		if err := p.database(ctx, d.Name); err != nil {
			return fmt.Errorf("database %s: %w", schema.QuoteName(d.Name), err)
		}
	}
	return nil
}

func (p *puller) database(ctx context.Context, name string) error {
	c := p.copy.databases[name]
	if c == nil {
		c = p.a.host.CopyDatabase(p.q.Origin.Account, name)
		p.copy.databases[name] = c
	}
	tell := func(w io.Writer) error {
		m, err := c.Manifest(ctx, p.q.Pass)
		if err == nil {
			_, err = io.Copy(w, bytes.NewReader(m))
		}
		return err
	}
	take := func(r io.Reader) error {
		return c.Receive(ctx, r, func(done, total int64) {
			p.report(providers.Progress{Bytes: done, BytesTotal: total, Note: name})
		})
	}
	out, err := p.exchange(ctx, p.request(name, ""), tell, take)
	if err != nil {
		return err
	}
	p.add(out)
	return nil
}
