//go:build linux

package serve

import (
	"context"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/deploy/pulse"
	"github.com/stopover/stopover/providers/linux/trial"
	"github.com/stopover/stopover/schema"
)

// How long calls have to end after their connection is gone. A trial drops its
// scratch database, and may take longer for that than the others for theirs.
const (
	grace      = 20 * time.Second
	trialGrace = trial.CleanTime + 10*time.Second
)

// Stdio answers calls on standard input and output until that connection ends,
// and returns when every call has ended or has had its time to. What else would
// be written to standard output goes to standard error. The error says why the
// connection ended where the other end did not just close it.
func Stdio(ctx context.Context, l agent.Looker, log hclog.Logger) error {
	in, out, err := streams()
	if err != nil {
		return err
	}
	return serve(ctx, pulse.New(&stdio{in: in, out: out}, pulse.Limit), l, log, grace, trialGrace)
}

// streams takes the two streams for itself, so that nothing else in the program
// and no program that it runs writes between frames or reads them.
func streams() (in, out *os.File, err error) {
	var fds [2]int
	for i := range fds {
		if fds[i], err = unix.FcntlInt(uintptr(i), unix.F_DUPFD_CLOEXEC, 3); err != nil {
			return nil, nil, err
		}
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = null.Close() }()
	if err := unix.Dup3(int(null.Fd()), 0, 0); err != nil {
		return nil, nil, err
	}
	if err := unix.Dup3(2, 1, 0); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "stdin"), os.NewFile(uintptr(fds[1]), "stdout"), nil
}

// stdio is two streams as one.
type stdio struct{ in, out *os.File }

func (s *stdio) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *stdio) Write(p []byte) (int, error) { return s.out.Write(p) }

// Close closes both. A read that blocks goes on blocking, which is why nobody
// waits for it.
func (s *stdio) Close() error {
	_ = s.out.Close()
	go func() { _ = s.in.Close() }()
	return nil
}

func serve(ctx context.Context, conn *pulse.Conn, l agent.Looker, log hclog.Logger, grace, trialGrace time.Duration) error {
	ctx, cancel := signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer cancel()
	calls := &calls{Looker: l}
	served := make(chan error, 1)
	go func() { served <- agent.ServeLooker(ctx, conn, calls, log) }()
	var err error
	select {
	case err = <-served:
	case <-conn.Done():
		err = conn.Err()
	case <-ctx.Done():
		err = ctx.Err()
	}
	cancel()
	calls.wait(grace, trialGrace)
	if err == io.EOF {
		err = nil
	}
	return err
}

// calls counts those that are under way. Their contexts end with the
// connection; they may have something to put away then.
type calls struct {
	agent.Looker
	mu    sync.Mutex
	over  bool // no call begins any more
	under sync.WaitGroup
	tries sync.WaitGroup // trials under way; under has the others
}

// begin is told of a call and gives what to do at its end.
func (c *calls) begin(trial bool) (end func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return nil, context.Canceled
	}
	under := &c.under
	if trial {
		under = &c.tries
	}
	under.Add(1)
	return under.Done, nil
}

// wait waits until nothing is under way, for each kind as long as it may take.
func (c *calls) wait(most, trials time.Duration) {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	others := make(chan struct{})
	go func() {
		waitFor(&c.under, most)
		close(others)
	}()
	waitFor(&c.tries, trials)
	<-others
}

func waitFor(under *sync.WaitGroup, most time.Duration) {
	ended := make(chan struct{})
	go func() {
		under.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(most):
	}
}

// Look implements agent.Looker.
func (c *calls) Look(ctx context.Context, q agent.LookRequest, account func(*schema.FoundAccount) error, progress func(providers.Progress)) (*schema.FoundServer, error) {
	end, err := c.begin(false)
	if err != nil {
		return nil, err
	}
	defer end()
	return c.Looker.Look(ctx, q, account, progress)
}

// Dump implements agent.Looker.
func (c *calls) Dump(ctx context.Context, q agent.DumpRequest, w io.Writer) (agent.Dumped, error) {
	end, err := c.begin(false)
	if err != nil {
		return agent.Dumped{}, err
	}
	defer end()
	return c.Looker.Dump(ctx, q, w)
}

// Load implements agent.Looker.
func (c *calls) Load(ctx context.Context, q agent.LoadRequest, r io.Reader) (schema.TriedDatabase, error) {
	end, err := c.begin(true)
	if err != nil {
		return schema.TriedDatabase{}, err
	}
	defer end()
	return c.Looker.Load(ctx, q, r)
}
