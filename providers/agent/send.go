package agent

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/files"
)

// objects lists what the origin has, for the receiver.
func (a *Agent) objects(ctx context.Context, q *digestRequest) (*objectsAnswer, error) {
	if _, err := a.session(ctx, q.Account, q.Term); err != nil {
		return nil, err
	}
	dbs, err := a.host.Databases(q.Account)
	if err != nil {
		return nil, err
	}
	settings, err := a.host.Settings(q.Account)
	if err != nil {
		return nil, err
	}
	return &objectsAnswer{Databases: dbs, Settings: settings}, nil
}

// send is the origin's end of a copy.
func (a *Agent) send(st grpc.ServerStream) error {
	var q sendRequest
	if err := st.RecvMsg(&q); err != nil {
		return err
	}
	o, err := a.session(st.Context(), q.Account, q.Term)
	if err != nil {
		return err
	}
	if q.Pass == providers.PassFinal {
		if err := a.frozenFor(q.Account, q.Token); err != nil {
			return err
		}
	}
	// Only the end of this handler frees a send that waits for a receiver that
	// does not read, so it must not itself wait for that.
	sent := make(chan error, 1)
	a.work.Go(func() {
		_, err := guarded(a, "Send", func() (*nothing, error) { return nil, a.sendPart(o, &q, st) })
		sent <- err
	})
	select {
	case err := <-sent:
		return err
	case <-o.ctx.Done():
		return fmt.Errorf("%w: the origin's session has ended", providers.ErrTemporary)
	}
}

func (a *Agent) sendPart(o *originState, q *sendRequest, st grpc.ServerStream) error {
	ctx, done, err := o.use(st.Context())
	if err != nil {
		return err
	}
	defer done()
	var out *sendAnswer
	if q.Part == PartDatabases {
		out, err = a.sendDatabase(ctx, o, q, st)
	} else {
		out, err = a.sendTree(ctx, o, q, st)
	}
	if err != nil {
		return err
	}
	return st.SendMsg(out)
}

func (a *Agent) sendTree(ctx context.Context, o *originState, q *sendRequest, st grpc.ServerStream) (*sendAnswer, error) {
	place, err := a.host.Place(q.Account, false)
	if err != nil {
		return nil, err
	}
	dir, err := place.directory(q.Part)
	if err != nil {
		return nil, err
	}
	var have *files.Listing
	if b, ok := o.bases[q.Part]; ok && b.id == q.Base {
		have = b.listing
	}
	if err := st.SendMsg(&sendReady{Tell: have == nil}); err != nil {
		return nil, err
	}
	if have == nil {
		// The mark too: a handler that ends before the receiver has sent it would
		// look to the receiver like an origin that broke off.
		r := &streamReader{st: st, fail: plain}
		if have, err = files.ReadListing(r, maxListing); err != nil {
			return nil, err
		}
		if err := skipEnd(r); err != nil {
			return nil, err
		}
	}
	delete(o.bases, q.Part) // until this pass has arrived nobody knows what the receiver holds
	w := &streamWriter{st: st}
	now, stats, err := files.Send(ctx, dir, have, w, files.SendOptions{
		ScanOptions: files.ScanOptions{Frozen: q.Pass == providers.PassFinal}, Force: q.Force,
	})
	if err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	o.bases[q.Part] = base{id: rand.Text(), listing: now}
	return &sendAnswer{Base: o.bases[q.Part].id, Bytes: stats.Stream, Items: int64(stats.Entries), Total: total(now)}, nil
}

func total(l *files.Listing) int64 {
	var n int64
	l.Walk(func(_ string, e files.Entry) { n += e.Size })
	return n
}

func plain(err error) error { return err }

func (a *Agent) sendDatabase(ctx context.Context, o *originState, q *sendRequest, st grpc.ServerStream) (*sendAnswer, error) {
	if err := st.SendMsg(&sendReady{Tell: true}); err != nil {
		return nil, err
	}
	manifest, err := io.ReadAll(io.LimitReader(&streamReader{st: st, fail: plain}, maxManifest))
	if err != nil {
		return nil, err
	}
	d, err := a.database(ctx, o, q.Account, q.Object)
	if err != nil {
		return nil, err
	}
	w := &streamWriter{st: st}
	sent, err := d.Send(ctx, q.Pass, manifest, w, nil)
	if err != nil {
		return nil, err
	}
	if q.Pass == providers.PassBulk { // the hold is for a cut that follows soon
		delete(o.databases, q.Object)
		if err := d.Close(); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return &sendAnswer{Bytes: sent.Bytes, Items: 1, Total: sent.Total, Notes: sent.Notes}, nil
}

func (a *Agent) database(ctx context.Context, o *originState, account, name string) (DatabaseOrigin, error) {
	if d := o.databases[name]; d != nil {
		return d, nil
	}
	d, err := a.host.OpenDatabase(ctx, account, name)
	if err != nil {
		return nil, err
	}
	o.databases[name] = d
	return d, nil
}
