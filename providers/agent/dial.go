package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Dialer opens a byte stream to an agent's address. Faults are put around it,
// never inside.
type Dialer func(ctx context.Context, address string) (net.Conn, error)

// connection is one gRPC connection over streams that a Dialer opens.
type connection struct {
	cc         *grpc.ClientConn
	credential string
}

func dial(address string, d Dialer, credential string) (*connection, error) {
	cc, err := grpc.NewClient("passthrough:///agent",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return d(ctx, address) }),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(newCodec()),
			grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 15 * time.Second, Timeout: 10 * time.Second}),
		// A peer that was away is asked again as soon as it is back: users wait
		// for its answer. The default lets up to two minutes pass.
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 20 * time.Second,
			Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond}}),
		grpc.WithDisableRetry(), // whether a call is repeated is never the transport's choice
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return &connection{cc: cc, credential: credential}, nil
}

func (c *connection) close() error { return c.cc.Close() }

func (c *connection) outgoing(ctx context.Context) context.Context {
	ctx = metadata.AppendToOutgoingContext(ctx, versionKey, Version)
	if c.credential != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, credentialKey, c.credential)
	}
	return ctx
}

// call does one unary call.
func call[Q, A any](ctx context.Context, c *connection, method string, q *Q) (*A, error) {
	a := new(A)
	var trailer metadata.MD
	err := c.cc.Invoke(c.outgoing(ctx), "/"+serviceName+"/"+method, q, a, grpc.Trailer(&trailer))
	if err != nil {
		return nil, fromWire(err, trailer)
	}
	return a, nil
}

// open starts a stream in both directions.
func (c *connection) open(ctx context.Context, method string) (grpc.ClientStream, error) {
	desc := &grpc.StreamDesc{StreamName: method, ClientStreams: true, ServerStreams: true}
	st, err := c.cc.NewStream(c.outgoing(ctx), desc, "/"+serviceName+"/"+method)
	if err != nil {
		return nil, fromWire(err, nil)
	}
	return st, nil
}

// messenger is what client and server streams have in common.
type messenger interface {
	SendMsg(any) error
	RecvMsg(any) error
}

// streamReader reads chunks as bytes.
type streamReader struct {
	st   messenger
	rest []byte
	end  bool // the mark was read; what follows on the stream are messages
	fail func(error) error
}

func (r *streamReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.end {
			return 0, io.EOF
		}
		var c chunk
		if err := r.st.RecvMsg(&c); err != nil {
			if errors.Is(err, io.EOF) { // without the mark something is missing
				return 0, io.ErrUnexpectedEOF
			}
			return 0, r.fail(err)
		}
		if len(c.data) == 0 { // an empty chunk ends the bytes of one direction
			r.end = true
			return 0, io.EOF
		}
		r.rest = c.data
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// streamWriter writes bytes as chunks; Close ends them with an empty one.
type streamWriter struct {
	mu  sync.Mutex
	st  messenger
	buf []byte
}

func (w *streamWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		k := min(maxChunk/2-len(w.buf), len(p))
		w.buf = append(w.buf, p[:k]...)
		p = p[k:]
		if len(w.buf) >= maxChunk/2 {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (w *streamWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	// gRPC keeps the slice until it is on the wire: hand it over for good.
	data := w.buf
	w.buf = make([]byte, 0, maxChunk/2)
	return w.st.SendMsg(&chunk{data})
}

// Close sends what is left and the mark that no more follows.
func (w *streamWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.flush(); err != nil {
		return err
	}
	return w.st.SendMsg(&chunk{})
}

// checkVersion refuses a caller that speaks another version.
func checkVersion(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	v := md.Get(versionKey)
	if len(v) != 1 || v[0] != Version {
		return status.Errorf(codes.Unimplemented,
			"this agent speaks version %s of the protocol, the caller %q: use the same version of stopover on both ends", Version, v)
	}
	return nil
}

func credentialOf(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	if v := md.Get(credentialKey); len(v) == 1 {
		return v[0]
	}
	return ""
}
