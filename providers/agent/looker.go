package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// A looker is the agent of a server that has no ownership records: it looks at
// what is there and tries databases. It speaks the same protocol as every agent,
// over one connection, and ends with it.

// Looker is the server around such an agent.
type Looker interface {
	// Look surveys the whole server. It changes nothing on it. The accounts of
	// the answer are handed to account, one after the other, as soon as each is
	// complete; the answer itself has none.
	Look(ctx context.Context, q LookRequest, account func(*schema.FoundAccount) error, progress func(providers.Progress)) (*schema.FoundServer, error)
	// Dump writes one database so that Load of another server's looker reads it.
	Dump(ctx context.Context, q DumpRequest, w io.Writer) (Dumped, error)
	// Load tries what Dump wrote under a scratch name, looks at it and drops it.
	// What is wrong with the database is in the answer; the error is for a trial
	// that could not be done.
	Load(ctx context.Context, q LoadRequest, r io.Reader) (schema.TriedDatabase, error)
}

// LookRequest says how to look.
type LookRequest struct {
	Layout  schema.Layout
	Engines map[string]EngineLogin // by engine; without one the agent uses its rights as root
	// Names and addresses that are the server's own beside those that it knows of
	// itself: they are looked for in the files of accounts.
	Names []string
	// Reads bounds how fast contents of files are read, in bytes a second; 0: not.
	Reads int64
}

// EngineLogin is how an engine is asked where being root is not enough. It is
// secret: it goes over the wire and is never written or printed.
type EngineLogin struct {
	User, Password string
}

// DumpRequest names one database.
type DumpRequest struct {
	Engine, Database string
	Login            EngineLogin
	Layout           schema.Layout
}

// Dumped says what a dump was.
type Dumped struct {
	Bytes    int64
	Warnings []string
	// Tables are the row counts that the dump holds, read in its own snapshot; a
	// table that is not in it was not counted.
	Tables map[string]int64
}

// LoadRequest says under what a database is tried.
type LoadRequest struct {
	Engine, Database string // its name at the origin
	Scratch          string // name that it is given here
	Login            EngineLogin
	Layout           schema.Layout
	Detail           *schema.ObjectDetail // of the origin, for what it is made with: character set, collation, owner
}

// lookEvent is one item of the answer to Look. In the chunks of a stream each
// follows its length; see eventReader.
type lookEvent struct {
	Progress *providers.Progress
	Account  *schema.FoundAccount
	Server   *schema.FoundServer // the last one
}

// dumpEnd follows the bytes of a dump.
type dumpEnd struct{ Dumped Dumped }

type lookServer struct {
	looker Looker
	log    hclog.Logger
}

// lookService is the table of contents of the protocol with a looker.
func lookService() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{
			lookStream("Look", (*lookServer).look),
			lookStream("Dump", (*lookServer).dump),
			lookStream("Load", (*lookServer).load),
		},
	}
}

func lookStream(name string, f func(*lookServer, grpc.ServerStream) error) grpc.StreamDesc {
	return grpc.StreamDesc{StreamName: name, ServerStreams: true, ClientStreams: true, Handler: func(srv any, st grpc.ServerStream) (err error) {
		if err := checkVersion(st.Context()); err != nil {
			return err
		}
		s := srv.(*lookServer)
		defer func() {
			if r := recover(); r != nil { // one account's strange data is no reason to lose the rest's error
				s.log.Error("panic", "call", name, "value", fmt.Sprint(r), "stack", string(debug.Stack()))
				err = toWire(st.Context(), fmt.Errorf("%s: the agent met a fault of its own: %v", name, r))
			}
		}()
		return toWire(st.Context(), f(s, st))
	}}
}

// ServeLooker answers calls on one connection until it ends or ctx is done.
func ServeLooker(ctx context.Context, conn net.Conn, l Looker, log hclog.Logger) error {
	s := grpc.NewServer(
		grpc.ForceServerCodec(newCodec()),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window),
		grpc.MaxConcurrentStreams(16),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 15 * time.Second, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	s.RegisterService(lookService(), &lookServer{looker: l, log: log})
	one := newOneListener(conn)
	stop := context.AfterFunc(ctx, s.Stop)
	defer stop()
	go func() { // the connection's end is the server's
		<-one.closed
		s.Stop()
	}()
	err := s.Serve(one)
	if errors.Is(err, grpc.ErrServerStopped) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *lookServer) look(st grpc.ServerStream) error {
	var q LookRequest
	if err := st.RecvMsg(&q); err != nil {
		return err
	}
	w := &streamWriter{st: st}
	events := newLookWriter(w)
	found, err := s.looker.Look(st.Context(), q, events.account, events.progress)
	if err != nil {
		return err
	}
	if err := events.server(found); err != nil {
		return err
	}
	return w.Close()
}

func (s *lookServer) dump(st grpc.ServerStream) error {
	var q DumpRequest
	if err := st.RecvMsg(&q); err != nil {
		return err
	}
	w := &streamWriter{st: st}
	d, err := s.looker.Dump(st.Context(), q, w)
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return st.SendMsg(&dumpEnd{d})
}

func (s *lookServer) load(st grpc.ServerStream) error {
	var q LoadRequest
	if err := st.RecvMsg(&q); err != nil {
		return err
	}
	r := &streamReader{st: st, fail: func(err error) error { return err }}
	t, err := s.looker.Load(st.Context(), q, r)
	if err != nil {
		return err
	}
	return st.SendMsg(&t)
}

// LookClient speaks to a looker.
type LookClient struct{ c *connection }

// NewLookClient makes a client that reaches the looker by d, at the first call.
// When the connection is lost calls fail; d is asked again at the next.
func NewLookClient(name string, d Dialer) (*LookClient, error) {
	c, err := dial(name, d, "")
	if err != nil {
		return nil, err
	}
	return &LookClient{c}, nil
}

// Close ends the connection, and with it the agent.
func (c *LookClient) Close() error { return c.c.close() }

// Look surveys the server. What a hostile server may send is bounded; see
// readLook.
func (c *LookClient) Look(ctx context.Context, q LookRequest, progress func(providers.Progress)) (*schema.FoundServer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st, err := c.c.open(ctx, "Look")
	if err != nil {
		return nil, err
	}
	if err := st.SendMsg(&q); err != nil && !errors.Is(err, io.EOF) {
		return nil, fromWire(err, nil)
	}
	_ = st.CloseSend()
	return readLook(&streamReader{st: st, fail: func(err error) error { return streamError(st, err) }}, progress)
}

// Dump writes a database's dump to w.
func (c *LookClient) Dump(ctx context.Context, q DumpRequest, w io.Writer) (Dumped, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st, err := c.c.open(ctx, "Dump")
	if err != nil {
		return Dumped{}, err
	}
	if err := st.SendMsg(&q); err != nil && !errors.Is(err, io.EOF) {
		return Dumped{}, fromWire(err, nil)
	}
	_ = st.CloseSend()
	r := &streamReader{st: st, fail: func(err error) error { return streamError(st, err) }}
	if _, err := io.Copy(w, r); err != nil {
		return Dumped{}, err
	}
	var end dumpEnd
	if err := st.RecvMsg(&end); err != nil {
		return Dumped{}, streamError(st, err)
	}
	return end.Dumped, nil
}

// Load sends a dump and has it tried.
func (c *LookClient) Load(ctx context.Context, q LoadRequest, r io.Reader) (schema.TriedDatabase, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st, err := c.c.open(ctx, "Load")
	if err != nil {
		return schema.TriedDatabase{}, err
	}
	w := &streamWriter{st: st}
	err = st.SendMsg(&q)
	if err == nil {
		if _, err = io.Copy(w, r); err == nil {
			err = w.Close()
		}
	}
	if err != nil && !errors.Is(err, io.EOF) { // EOF: the other end has answered already
		return schema.TriedDatabase{}, fromWire(err, nil)
	}
	_ = st.CloseSend()
	var t schema.TriedDatabase
	if err := st.RecvMsg(&t); err != nil {
		return schema.TriedDatabase{}, streamError(st, err)
	}
	return t, nil
}
