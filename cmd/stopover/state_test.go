package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stopover/stopover/apply/state/statetest/gitlab"
)

type (
	gitlabKey  struct{} // *gitlab.Server of a script
	runningKey struct{} // map[string]*running of a script
)

// useGitlab starts a server for states as GitLab is one (without arguments), and
// sets GITLAB to the address of its state; or makes it be away:
//
//	gitlab away WRITES DURATION   from the WRITES-th write on, for this time
//	gitlab unlock                 somebody presses "unlock" in its web page
func useGitlab(ts *testscript.TestScript, _ bool, args []string) {
	g := ts.Value(gitlabKey{}).(*gitlab.Server)
	switch {
	case len(args) == 0:
		s := httptest.NewServer(g)
		ts.Defer(s.Close)
		ts.Setenv("GITLAB", s.URL+gitlab.Prefix+"spring")
	case args[0] == "away" && len(args) == 3:
		writes, err := strconv.Atoi(args[1])
		ts.Check(err)
		lasts, err := time.ParseDuration(args[2])
		ts.Check(err)
		g.Lock()
		defer g.Unlock()
		g.Before = awayFrom(g, g.Writes+writes, lasts)
	case args[0] == "unlock":
		g.Lock()
		defer g.Unlock()
		for _, s := range g.States {
			s.Lock = nil
		}
	default:
		ts.Fatalf("usage: gitlab [away WRITES DURATION | unlock]")
	}
}

// awayFrom answers nothing good for a time that begins with a write.
func awayFrom(g *gitlab.Server, writes int, lasts time.Duration) func(*http.Request) (int, bool) {
	var until time.Time
	return func(*http.Request) (int, bool) {
		if until.IsZero() && g.Writes >= writes {
			until = time.Now().Add(lasts)
		}
		if time.Now().Before(until) {
			return http.StatusBadGateway, false
		}
		return 0, false
	}
}

// running is the program in the background.
type running struct {
	*exec.Cmd
	ended chan struct{} // closed then

	mu  sync.Mutex
	out bytes.Buffer
}

func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(b)
}

func (r *running) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// begin NAME TEXT ARGS... starts the program in the background and returns once
// it has said TEXT.
func begin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: begin NAME TEXT ARGS...")
	}
	r := &running{Cmd: exec.Command(ts.Getenv("STOPOVER"), args[2:]...)}
	r.Dir, r.Env, r.Stdout, r.Stderr = ts.MkAbs("."), environment(ts), r, r
	ts.Check(r.Start())
	r.ended = make(chan struct{})
	go func() {
		_ = r.Wait()
		close(r.ended)
	}()
	ts.Defer(func() { _ = r.Process.Kill(); <-r.ended })
	ts.Value(runningKey{}).(map[string]*running)[args[0]] = r
	for limit := time.Now().Add(2 * time.Minute); !strings.Contains(r.String(), args[1]); {
		select {
		case <-r.ended:
			if !strings.Contains(r.String(), args[1]) {
				ts.Fatalf("it ended without saying %q:\n%s", args[1], r)
			}
		case <-time.After(2 * time.Millisecond):
			if time.Now().After(limit) {
				ts.Fatalf("it has not said %q:\n%s", args[1], r)
			}
		}
	}
}

// ends NAME STATUS [SIGNAL] waits for what begin has started, after a signal if
// there is one, and hands on what it said. -1 is killed.
func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: ends NAME STATUS [SIGNAL]")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	r := ts.Value(runningKey{}).(map[string]*running)[args[0]]
	if len(args) == 3 {
		ts.Check(r.Process.Signal(map[string]os.Signal{"KILL": syscall.SIGKILL, "INT": syscall.SIGINT}[args[2]]))
	}
	select {
	case <-r.ended:
	case <-time.After(5 * time.Minute):
		ts.Fatalf("it does not end:\n%s", r)
	}
	fmt.Fprint(ts.Stdout(), r)
	if got := r.ProcessState.ExitCode(); got != want {
		ts.Fatalf("it exits with %d, not %d", got, want)
	}
}
