package program

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test binary plays several parts; see TestMain.
const (
	partVariable = "PROGRAM_TEST_PART"
	partServer   = "server" // a server process that starts an account and waits to be killed
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(partVariable) == partServer:
		playServer()
	case len(os.Args) == 2 && os.Args[1] == "play-site":
		playSite()
	default:
		os.Exit(m.Run())
	}
}

// playSite is a site's program.
func playSite() {
	l, err := net.Listen("unix", os.Getenv("LISTEN_SOCKET"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, os.Getpid())
	})))
}

func playServer() {
	m, err := New(Options{Machine: os.Getenv("T_MACHINE"), RunDir: os.Getenv("T_RUN")})
	if err == nil {
		err = m.Start(context.Background(), serverAccount(os.Getenv("T_DIR")))
	}
	fmt.Println(err)
	select {}
}

// serverAccount is the account that playServer runs.
func serverAccount(dir string) Account {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Account{Name: "a/b *", Dir: dir, Programs: []Program{
		{Kind: Site, Name: "site", Command: []string{self, "play-site"}},
		{Kind: Service, Name: "queue", Command: []string{"sleep", "1000"}},
	}}
}

func machine() string { return fmt.Sprintf("m%016x", rand.Uint64()) }

// accountDir makes the directory of an account in a folder that its user can
// reach.
func accountDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "account")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, d := range []string{"home", "mail", "databases"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func manager(t *testing.T, o Options) *Manager {
	t.Helper()
	if o.Machine == "" {
		o.Machine = machine()
	}
	if o.RunDir == "" {
		dir, err := os.MkdirTemp("", "run")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		o.RunDir = dir
	}
	if o.Grace == 0 {
		o.Grace = 300 * time.Millisecond
	}
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Close()
		clean(t, o.Machine)
	})
	return m
}

// clean ends whatever a test has left running of its own machine.
func clean(t *testing.T, machine string) {
	t.Helper()
	for range 200 {
		all, err := processes()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, p := range all {
			if strings.HasPrefix(p.marker, machine+":") {
				n++
				if err := p.signal(9); err != nil {
					t.Error(err)
				}
			}
		}
		if n == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("processes are left")
}

func marked(t *testing.T, m *Manager, account string) []Process {
	t.Helper()
	all, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	var found []Process
	for _, p := range all {
		if p.marker == m.options.Machine+":"+hex.EncodeToString([]byte(account)) {
			found = append(found, p)
		}
	}
	return found
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func shell(kind Kind, name, script string) Program {
	return Program{Kind: kind, Name: name, Command: []string{"sh", "-c", script}}
}

func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return string(data)
}

// ask returns what the site's program answers: its process.
func ask(m *Manager, account string) (string, error) {
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", m.Socket(account))
		},
	}}
	resp, err := c.Get("http://site/")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return string(data), err
}

func compile(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

func needs(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			notHere(t, "needs "+tool)
		}
	}
}

// fakeClock is a clock that only the test moves.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	waits map[chan time.Time]time.Time
}

func newClock(now time.Time) *fakeClock {
	return &fakeClock{now: now, waits: map[chan time.Time]time.Time{}}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After is measured by a clock that cannot be set, as the real one is.
func (c *fakeClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	c.waits[ch] = c.now.Add(d)
	return ch
}

// set moves the wall clock and wakes everybody, as after a suspend.
func (c *fakeClock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
	for ch := range c.waits {
		ch <- now
		delete(c.waits, ch)
	}
}

// idle waits until somebody waits for the clock.
func (c *fakeClock) idle(t *testing.T) {
	t.Helper()
	eventually(t, "somebody waits for the clock", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.waits) > 0
	})
}

// notHere skips a test that this machine cannot run, loudly; in CI that is a
// failure.
func notHere(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot be tested here, and CI has to: %s", why)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s", why)
}
