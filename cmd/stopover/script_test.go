package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script/*.txtar against the program as it is
// shipped: it starts pocket servers from its own file, which a test's binary
// could not.
func TestScripts(t *testing.T) {
	bin := build(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true, ContinueOnError: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("STOPOVER", filepath.Join(bin, "stopover"))
			e.Setenv("NO_COLOR", "1")
			e.Defer(func() { stopAll(t, filepath.Join(bin, "stopover"), e.WorkDir) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "world": makeWorld, "account": makeAccount, "hostile": hostileAccounts,
			"halt": stopServer, "cut": cutApply, "undated": undated, "spoil": spoil, "lock": holdLock, "overtaken": overtaken, "database": makeDatabase, "through": through,
			"inside": inside, "place": place, "replace": replace, "narrow": narrow, "nowhere": nowhere,
		},
	})
}

// stopAll ends every pocket server below a directory.
func stopAll(t *testing.T, program, dir string) {
	found, err := filepath.Glob(filepath.Join(dir, "*", "agent.lock"))
	if err != nil {
		t.Error(err)
	}
	for _, lock := range found {
		if out, err := exec.Command(program, "pocket-server", "--stop", "--dir="+filepath.Dir(lock)).CombinedOutput(); err != nil {
			t.Errorf("stop %s: %v: %s", filepath.Dir(lock), err, out)
		}
	}
}

// run runs the program and hands its output to the script.
func run(ts *testscript.TestScript, args ...string) int {
	c := exec.Command(ts.Getenv("STOPOVER"), args...)
	c.Dir, c.Env = ts.MkAbs("."), environment(ts)
	c.Stdout, c.Stderr = ts.Stdout(), ts.Stderr()
	err := c.Run()
	exit := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	return c.ProcessState.ExitCode()
}

func environment(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, k := range []string{"HOME", "TMPDIR", "NO_COLOR", "TZ"} {
		env = append(env, k+"="+ts.Getenv(k))
	}
	return env
}

// exits STATUS ARGS... runs the program and checks its exit status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := run(ts, args[1:]...); got != want {
		ts.Fatalf("stopover %q exits with %d, not %d", args[1:], got, want)
	}
}

// through ARGS... runs the program on what stdin named, and expects success.
func through(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec(ts.Getenv("STOPOVER"), args...))
}

// halt DIR... ends a pocket server.
func stopServer(ts *testscript.TestScript, _ bool, args []string) {
	for _, d := range args {
		if status := run(ts, "pocket-server", "--stop", "--dir="+ts.MkAbs(d)); status != 0 {
			ts.Fatalf("stop %s: %d", d, status)
		}
	}
}

// cut SIGNAL STATUS OP begins an apply, sends it the signal once its journal
// shows that OP has begun, and checks how it ends; -1 is killed.
func cutApply(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	c := background(ts, ".", args[2])
	ts.Check(c.Process.Signal(map[string]os.Signal{"KILL": syscall.SIGKILL, "INT": syscall.SIGINT}[args[0]]))
	_ = c.Wait()
	if got := c.ProcessState.ExitCode(); got != want {
		ts.Fatalf("it exits with %d, not %d\n%s", got, want, c.Stdout)
	}
}

// background begins an apply in a directory and returns once its journal shows
// that an op has begun there.
func background(ts *testscript.TestScript, dir, op string) *exec.Cmd {
	c := exec.Command(ts.Getenv("STOPOVER"), "apply", "--auto-approve")
	c.Dir, c.Env = ts.MkAbs(dir), environment(ts)
	c.Stdout = new(bytes.Buffer)
	c.Stderr = c.Stdout
	ts.Check(c.Start())
	ts.Defer(func() { _ = c.Process.Kill() })
	began := time.Now()
	for {
		journal, err := filepath.Glob(filepath.Join(c.Dir, ".stopover", "journal", "*"))
		ts.Check(err)
		for _, j := range journal {
			if b, err := os.ReadFile(j); err == nil && bytes.Contains(b, []byte(`"op":"`+op+`"`)) {
				return c
			}
		}
		if time.Since(began) > time.Minute {
			ts.Fatalf("no %s within a minute", op)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// overtaken DIR OTHER OP stops an apply in DIR once OP has begun, runs one in
// OTHER, a second clone of the configuration with a state of its own, wakes
// the first, and checks that it notices.
func overtaken(ts *testscript.TestScript, _ bool, args []string) {
	c := background(ts, args[0], args[2])
	ts.Check(c.Process.Signal(syscall.SIGSTOP))
	if status := run(ts, "-C", args[1], "apply", "--auto-approve"); status != 3 {
		ts.Fatalf("the second exits with %d", status)
	}
	ts.Check(c.Process.Signal(syscall.SIGCONT))
	_ = c.Wait()
	fmt.Fprintf(ts.Stdout(), "%s", c.Stdout)
	if got := c.ProcessState.ExitCode(); got != 5 {
		ts.Fatalf("the first exits with %d, not 5\n%s", got, c.Stdout)
	}
}

// undated FILE takes dates out of a plan, so that two can be compared.
func undated(ts *testscript.TestScript, _ bool, args []string) {
	for _, f := range args {
		var p map[string]any
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(f)), &p))
		delete(p, "dates")
		b, err := json.MarshalIndent(p, "", " ")
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(f), b, 0o600))
	}
}

// spoil HOW FILE... damages files: empty, wipe, cut, middle, foreign or flip.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	for _, pattern := range args[1:] {
		list, err := filepath.Glob(ts.MkAbs(pattern))
		ts.Check(err)
		if len(list) == 0 {
			ts.Fatalf("no file matches %s", pattern)
		}
		for _, f := range list {
			b, err := os.ReadFile(f)
			ts.Check(err)
			switch args[0] {
			case "empty":
				b = nil
			case "wipe":
				clear(b)
			case "cut":
				b = b[:len(b)/2]
			case "middle": // as a disk does
				for i := len(b) / 3; i < len(b)-1; i++ {
					b[i] ^= 0x55
				}
			case "foreign":
				b = []byte("{\"terraform_version\":\"1.9.0\",\"serial\":4}\n")
			case "flip":
				i := bytes.Index(b, []byte("shop")) // somebody edits a name
				if i < 0 {
					ts.Fatalf("%s does not name shop", f)
				}
				b[i+1] ^= 1
			default:
				ts.Fatalf("spoil: %s", args[0])
			}
			ts.Check(os.WriteFile(f, b, 0o600))
		}
	}
}
