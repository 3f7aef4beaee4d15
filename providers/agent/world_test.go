package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/ownership"
	"github.com/stopover/stopover/schema"
)

// memory is a disk for records that takes no time.
type memory struct{ blobs map[string][2][]byte }

func (m *memory) Allocate(name string, size int, data []byte) error {
	if _, ok := m.blobs[name]; ok {
		return fs.ErrExist
	}
	var b [2][]byte
	for i := range b {
		b[i] = make([]byte, size)
		copy(b[i], data)
	}
	m.blobs[name] = b
	return nil
}

func (m *memory) Read(name string, slot int) ([]byte, error) {
	return bytes.Clone(m.blobs[name][slot]), nil
}

func (m *memory) Write(name string, slot int, data []byte) error {
	copy(m.blobs[name][slot], data)
	return nil
}

func (m *memory) List() ([]string, error) {
	var out []string
	for name := range m.blobs {
		out = append(out, name)
	}
	return out, nil
}

// host is a server with one account and nothing in it. Err is what a survey
// and the like fail with; Panics makes Listen panic.
type host struct {
	Host // what a test does not expect to be called
	dir  string

	mu     sync.Mutex
	err    error
	panics bool
	exits  atomic.Int32

	endless *endless // its one database
}

func (h *host) failing() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *host) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *host) Hold(context.Context, string) error              { return nil }
func (h *host) Open(string, Doors, string, uint64) error        { return nil }
func (h *host) Accounts() ([]string, error)                     { return []string{"shop"}, nil }
func (h *host) Settings(string) ([]byte, error)                 { return []byte("settings"), nil }
func (h *host) Settle(string, []byte) ([]schema.Finding, error) { return nil, nil }
func (h *host) Redirects(string, []string) error                { return nil }
func (h *host) Drop(string) error                               { return nil }
func (h *host) Movable(string) error                            { return nil }
func (h *host) Databases(string) ([]schema.Database, error)     { return nil, nil }
func (h *host) DatabaseNames(string) ([]string, error)          { return nil, nil }
func (h *host) Copied(string, schema.CopiedPart) error          { return nil }
func (h *host) Residue() ([]schema.Residue, error)              { return nil, nil }
func (h *host) HandOver([]string) error                         { return nil }
func (h *host) Runtime(schema.Runtime, bool) error              { return nil }
func (h *host) DisposeResidue(string, string) (string, error)   { return "", nil }
func (h *host) PlaceResidue(string, string) error               { return nil }
func (h *host) Exit()                                           { h.exits.Add(1) }
func (h *host) Archive(context.Context, string) (string, error) {
	return "sha256:", nil
}
func (h *host) Reinstall(context.Context, schema.Architecture) error { return nil }
func (h *host) OpenDatabase(context.Context, string, string) (DatabaseOrigin, error) {
	if h.endless != nil {
		return h.endless, nil
	}
	return nil, errors.New("there is no database")
}

func (h *host) CopyDatabase(string, string) DatabaseCopy { return nil }

func (h *host) Trial(string) (Trial, error) { return nil, errors.New("there is no room") }

func (h *host) Place(string, bool) (Place, error) {
	return Place{Files: h.dir, Mail: h.dir, Databases: h.dir}, h.failing()
}

func (h *host) Listen([]string) error {
	if h.panics {
		panic("this account is strange")
	}
	return nil
}

func (h *host) Identity() providers.Identity { return providers.Identity{Machine: "m1", Agent: "a1"} }

func (h *host) Survey(context.Context) (*schema.FoundServer, error) {
	return &schema.FoundServer{Accounts: []*schema.FoundAccount{{Name: "shop"}}}, h.failing()
}

// rig is an agent that answers on a pipe.
type rig struct {
	host     *host
	agent    *Agent
	listener *bufconn.Listener
}

func newRig(t testing.TB) *rig {
	t.Helper()
	dir := t.TempDir()
	k, err := ownership.Open(&memory{blobs: map[string][2][]byte{}}, ownership.Options{
		Machine: "m1", Boot: "b1", Instance: "i1", Known: true, Now: func() time.Duration { return time.Duration(time.Now().UnixNano()) }})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{host: &host{dir: dir}, listener: bufconn.Listen(1 << 20)}
	r.agent, err = New(Options{Keeper: k, Host: r.host, Log: hclog.NewNullLogger(), Facts: filepath.Join(dir, "facts.json"),
		Dial: func(context.Context, string) (net.Conn, error) { return nil, errors.New("nobody is there") }})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.agent.Start(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.agent.ServeListener(r.listener) }()
	t.Cleanup(func() {
		r.agent.Stop()
		<-served
	})
	if _, err := r.client(t).Identity(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) client(t testing.TB) *Client {
	t.Helper()
	c, err := NewClient("agent", func(ctx context.Context, _ string) (net.Conn, error) { return r.listener.DialContext(ctx) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// raw is a connection whose messages are bytes as they are, of any size.
func (r *rig) raw(t testing.TB) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///agent", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return r.listener.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesCodec{}), grpc.MaxCallSendMsgSize(1<<30), grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

type bytesCodec struct{}

func (bytesCodec) Name() string { return "bytes" }

func (bytesCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (bytesCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}

// loop is a messenger that gives back what was sent, in order.
type loop struct{ sent [][]byte }

func (l *loop) SendMsg(v any) error {
	l.sent = append(l.sent, v.(*chunk).data)
	return nil
}

func (l *loop) RecvMsg(v any) error {
	if len(l.sent) == 0 {
		return io.EOF
	}
	v.(*chunk).data, l.sent = l.sent[0], l.sent[1:]
	return nil
}

func holds(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q does not say %q", text, p)
		}
	}
}
