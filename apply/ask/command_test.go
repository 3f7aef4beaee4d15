//go:build linux

package ask

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stopover/stopover/providers/linux/testbed"
	"github.com/stopover/stopover/schema"
)

// TestMain plays the program of an operator, or a part of a test bed, when it is
// asked to.
func TestMain(m *testing.M) {
	testbed.Main()
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "tell":
		println("on the other side")
		os.Stdout.WriteString("\n  " + os.Getenv("STOPOVER_SERVER") + " " + os.Getenv("STOPOVER_ADDRESS") + " " + os.Getenv("STOPOVER_ACCOUNT") + " " + os.Getenv("STOPOVER_HTTP") + "\n" + strings.Join(os.Args[2:], "|"))
	case "end":
		println("only here")
		status, _ := strconv.Atoi(os.Args[2])
		os.Exit(status)
	case "endless":
		for {
			if _, err := os.Stdout.WriteString(strings.Repeat("\x1b[2J", 1000)); err != nil {
				os.Exit(1)
			}
		}
	case "sleep":
		_ = os.WriteFile(os.Args[2], []byte(strconv.Itoa(os.Getpid())), 0o600)
		time.Sleep(time.Hour)
	case "child":
		p, err := os.StartProcess(os.Args[0], []string{os.Args[0], "sleep", os.Args[2]}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, nil}, Env: os.Environ()})
		if err != nil {
			os.Exit(3)
		}
		for range 1000 {
			if b, _ := os.ReadFile(os.Args[2]); len(b) > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		println(p.Pid)
	case "signal":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Minute)
	}
}

func command(t *testing.T, words ...string) schema.Probe {
	t.Helper()
	return schema.Probe{Name: "p", Command: append([]string{os.Args[0]}, words...)}
}

func TestCommand(t *testing.T) {
	at := Place{Server: "cli ent", Account: "a\"b;$(x)", Host: "192.0.2.1", Services: map[string]string{schema.ServiceHTTP: "192.0.2.1:8080"}}
	p := command(t, "tell", "a b", "", "*;rm", "-x")
	p.Contains, p.Absent = "a b||*;rm|-x", "error"
	if a := put(t, p, at); a.Status != 0 || !a.Contains || a.Found || a.Line != "cli ent 192.0.2.1 a\"b;$(x) 192.0.2.1:8080" {
		t.Errorf("%+v", a)
	}
	if a := put(t, command(t, "end", "7"), at); a.Status != 7 || a.Line != "only here" {
		t.Errorf("%+v", a)
	}
	if a := put(t, command(t, "signal"), at); !strings.Contains(a.Refused, "ended with signal 9") {
		t.Errorf("%+v", a)
	}
	if _, err := Probe(context.Background(), schema.Probe{Name: "p", Command: []string{"/nowhere/at all"}}, at); err == nil || !strings.Contains(err.Error(), "nowhere/at all") {
		t.Errorf("%v", err)
	}
	dir := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(dir, "own")); err != nil {
		t.Fatal(err)
	}
	at.Dir = dir
	own := command(t, "end", "0")
	own.Command[0] = "./own"
	if a := put(t, own, at); a.Status != 0 {
		t.Errorf("a program of the directory: %+v", a)
	}
}

// A program that writes without end or never ends is stopped, and with it what
// it started.
func TestCommandWithoutEnd(t *testing.T) {
	p := command(t, "endless")
	p.Timeout = 300 * time.Millisecond
	if a := put(t, p, Place{}); !strings.Contains(a.Refused, "did not end in time") || a.Line != "" {
		t.Errorf("%+v", a)
	}
	for _, how := range []string{"sleep", "child"} {
		pid := filepath.Join(t.TempDir(), "pid")
		p = command(t, how, pid)
		p.Timeout = 10 * time.Second
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			for range 1000 {
				if b, _ := os.ReadFile(pid); len(b) > 0 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if how == "sleep" {
				cancel()
			}
		}()
		a, err := Probe(ctx, p, Place{})
		cancel()
		if how == "sleep" && !errors.Is(err, context.Canceled) || how == "child" && (err != nil || a.Status != 0) {
			t.Errorf("%s: %+v %v", how, a, err)
		}
		b, err := os.ReadFile(pid)
		if err != nil {
			t.Fatal(err)
		}
		number, err := strconv.Atoi(string(b))
		if err != nil {
			t.Fatal(err)
		}
		gone := false
		for range 500 {
			stat, err := os.ReadFile(filepath.Join("/proc", string(b), "stat"))
			if gone = err != nil || strings.Contains(string(stat), ") Z "); gone {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if !gone {
			t.Errorf("%s: process %d is still there", how, number)
			_ = syscall.Kill(number, syscall.SIGKILL)
		}
	}
}
