package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/agent/ownership"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/local/front"
	"github.com/stopover/stopover/providers/local/program"
	"github.com/stopover/stopover/providers/local/sqlite"
)

// Process are the parts of a server's process that a harness may replace.
type Process struct {
	Dial  agent.Dialer         // to peers; default Dial
	Calls agent.Calls          // around calls to peers; default none
	Log   io.Writer            // default standard error
	Now   func() time.Duration // time since boot; default the machine's own clock
}

// Main is the process of one pocket server. It returns the exit status.
func (p Process) Main(dir string) int {
	out := p.Log
	if out == nil {
		out = os.Stderr
	}
	log := hclog.New(&hclog.LoggerOptions{Name: "pocket", Level: hclog.Info, Output: out})
	err := p.run(dir, log)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errRunning):
		log.Info("another process serves this directory")
		return exitRunning
	}
	log.Error("pocket server ended", "error", err)
	return 1
}

func (p Process) run(dir string, log hclog.Logger) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	held, err := lock(dir)
	if err != nil {
		return err
	}
	defer held.Close()
	if err := finishReinstall(dir); err != nil {
		return fmt.Errorf("reinstall: %w", err)
	}
	h, err := newHost(dir, log)
	if err != nil {
		return err
	}
	h.adoptAll()
	// What a trial that was killed left is nobody's.
	if err := os.RemoveAll(filepath.Join(dir, trialsDir)); err != nil {
		log.Warn("drop what a trial left", "error", err)
	}
	a, err := p.newAgent(h, log)
	if err != nil {
		return err
	}
	l, err := listenAgent(dir)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(ended) }) }
	h.exit, h.failed, h.ended = end, a.Reopen, ended
	// Doors first: an account that the front does not know yet would get a
	// permanent refusal instead of a refused connection.
	if err := a.Start(); err != nil {
		return err
	}
	h.listenConfigured()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	served := make(chan error, 1)
	go func() { served <- a.ServeListener(&watched{l, h}) }()
	go h.endIdle(ended, end)
	log.Info("up", "dir", dir, "machine", h.machine, "boot", h.boot)
	select {
	case <-ended:
	case <-signals:
	case err = <-served:
	}
	return errors.Join(err, h.shutDown(a))
}

// shutDown ends the server in order: no call, no request, no program is left.
func (h *Host) shutDown(a *agent.Agent) error {
	a.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := h.front.Close(ctx)
	h.mu.Lock()
	for _, d := range h.doors {
		d.generation++ // what is being opened is not opened any more
	}
	h.mu.Unlock()
	h.opening.Wait()
	h.background.Wait()
	found, ferr := h.programs.Found()
	err = errors.Join(err, ferr)
	for name := range found {
		err = errors.Join(err, h.stop(ctx, name))
	}
	h.programs.Close()
	return err
}

func newHost(dir string, log hclog.Logger) (*Host, error) {
	d, err := description.ReadServer(dir)
	if err != nil {
		return nil, err
	}
	h := &Host{dir: dir, log: log, desc: d, doors: map[string]*door{}, sqlite: &sqlite.Keeper{}, mentions: newMentionCache(), busy: time.Now()}
	for _, sub := range []string{accountsDir, recordsDir, spoolDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o711); err != nil {
			return nil, err
		}
	}
	if h.machine, err = machineID(dir); err != nil {
		return nil, err
	}
	if h.boot, err = bootID(dir); err != nil {
		return nil, err
	}
	run, err := program.RunDir(dir)
	if err != nil {
		return nil, err
	}
	h.programs, err = program.New(program.Options{Machine: h.machine, RunDir: run, Grace: 2 * time.Second, Logger: log.Named("program")})
	if err != nil {
		return nil, err
	}
	h.front = front.New(front.Options{HTTPPort: d.HTTPPort, SMTPPort: d.SMTPPort, Hostname: "localhost",
		SpoolDir: filepath.Join(dir, spoolDir), Logger: log.Named("front")})
	return h, nil
}

func (p Process) newAgent(h *Host, log hclog.Logger) (*agent.Agent, error) {
	dial, now := p.Dial, p.Now
	if now == nil {
		now = SinceBoot
	}
	if dial == nil {
		dial = Dial
	}
	disk, err := ownership.OpenFileDisk(filepath.Join(h.dir, recordsDir, "accounts"))
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(filepath.Join(h.dir, freshFile))
	keeper, err := ownership.Open(disk, ownership.Options{
		Machine: h.machine, Boot: h.boot, Instance: randomID(), Known: err != nil, Now: now,
	})
	if err != nil {
		return nil, err
	}
	return agent.New(agent.Options{Keeper: keeper, Host: h, Log: log.Named("agent"), Dial: dial, Calls: p.Calls, Facts: filepath.Join(h.dir, factsFile)})
}

// SinceBoot is the machine's own clock, which no change of the date touches.
func SinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // every Linux since 2.6.39 has it
	}
	return time.Duration(t.Nano())
}

// listenAgent opens the socket that only this user can reach.
func listenAgent(dir string) (net.Listener, error) {
	p, d, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	if d != nil {
		defer d.Close()
	}
	// The lock is ours: whatever socket is there belongs to a process that died.
	if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", p)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // the path may name a descriptor that is closed by then
	return l, os.Chmod(p, 0o600)
}

// watched lets in only processes of this user (or root) and counts them, so
// that a server in use is not taken for idle.
type watched struct {
	net.Listener
	h *Host
}

func (w *watched) Accept() (net.Conn, error) {
	for {
		c, err := w.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if err := sameUser(c); err != nil {
			w.h.log.Warn("refused a connection", "error", err)
			_ = c.Close()
			continue
		}
		w.h.use(1)
		return &counted{Conn: c, h: w.h}, nil
	}
}

type counted struct {
	net.Conn
	h    *Host
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.h.use(-1) })
	return c.Conn.Close()
}

func sameUser(c net.Conn) error {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) { cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return err
	}
	if cerr != nil {
		return cerr
	}
	if int(cred.Uid) != os.Geteuid() && cred.Uid != 0 {
		return fmt.Errorf("process %d of user %d", cred.Pid, cred.Uid)
	}
	return nil
}

func (h *Host) use(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls += n
	h.busy = time.Now()
}

// idleOption is how long the process stays without calls and requests, as a
// duration; "0" means for ever.
const (
	idleOption  = "idle"
	idleDefault = time.Hour
)

func (h *Host) endIdle(ended <-chan struct{}, end func()) {
	limit := idleDefault
	if v, ok := h.description().Options[idleOption]; ok {
		if d, err := time.ParseDuration(v); err == nil {
			limit = d
		}
	}
	if limit <= 0 {
		return
	}
	tick := time.NewTicker(min(limit, time.Minute))
	defer tick.Stop()
	var last uint64
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		now, needed := h.requests()
		h.mu.Lock()
		if now != last || h.calls > 0 || needed {
			h.busy, last = time.Now(), now
		}
		idle := time.Since(h.busy)
		h.mu.Unlock()
		if idle >= limit {
			h.log.Info("idle", "for", idle)
			end()
			return
		}
	}
}

// requests counts what users asked of all accounts, and says whether somebody
// may count on this server although nobody asks it now: accounts that are served
// here have tasks and mail, and a copy in between waits for its peer.
func (h *Host) requests() (n uint64, needed bool) {
	h.mu.Lock()
	names := make([]string, 0, len(h.doors))
	for name := range h.doors {
		names = append(names, name)
	}
	h.mu.Unlock()
	for _, name := range names {
		c := h.front.Counters(name)
		n += c.Served + c.Redirected + c.Failed + c.Delivered + c.Relayed + c.Deferred
		k := h.front.Mode(name).Kind
		needed = needed || k == front.Serve || k == front.Hold
	}
	return n, needed
}
