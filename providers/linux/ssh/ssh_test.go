package ssh_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/providers/linux/ssh"
	"github.com/stopover/stopover/providers/linux/ssh/sshdtest"
)

// target is how the tests log in to a server.
func target(t testing.TB, s *sshdtest.Server) ssh.Target {
	return ssh.Target{Host: s.Host, Port: s.Port, User: "root", IdentityFiles: []string{s.UserKey},
		KnownHosts: []string{s.Known(t)}, ConfigFile: ssh.None, Agent: ssh.None, Timeout: 10 * time.Second}
}

func open(t testing.TB, tg ssh.Target) *ssh.Conn {
	t.Helper()
	c, err := ssh.Dial(t.Context(), tg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRun(t *testing.T) {
	c := open(t, target(t, sshdtest.Start(t)))
	out, err := c.Run(t.Context(), []string{"printf", "%s|", "a b", "it's", "!x", "two\nlines", "$HOME", "\xff"}, nil)
	if err != nil || out.Exit != 0 || string(out.Stdout) != "a b|it's|!x|two\nlines|$HOME|\xff|" {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = c.Run(t.Context(), []string{"sh", "-c", "cat >&2; exit 7"}, strings.NewReader("said"))
	if err != nil || out.Exit != 7 || string(out.Stderr) != "said" {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = c.Run(t.Context(), []string{"sh", "-c", "kill -9 $$"}, nil)
	if err != nil || out.Signal != "KILL" {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = c.Run(t.Context(), []string{"/no/such/program"}, nil)
	if err != nil || out.Exit != 127 {
		t.Errorf("%+v, %v", out, err)
	}
	data := make([]byte, 3<<20)
	_, _ = rand.Read(data)
	out, err = c.Run(t.Context(), []string{"cat"}, bytes.NewReader(data))
	if err != nil || !bytes.Equal(out.Stdout, data) {
		t.Errorf("%d bytes came back of %d, %v", len(out.Stdout), len(data), err)
	}
}

func TestStream(t *testing.T) {
	c := open(t, target(t, sshdtest.Start(t)))
	s, err := c.Start(t.Context(), []string{"cat"})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"one", "two"} {
		if _, err := s.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 3)
		if _, err := io.ReadFull(s, got); err != nil || string(got) != part {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = c.Start(t.Context(), []string{"sh", "-c", "echo hi; echo 'it \x1b[31mbroke' >&2; exit 3"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(s)
	if string(b) != "hi\n" || err == nil || !strings.Contains(err.Error(), `code 3; it said last: it \u001b[31mbroke`) {
		t.Errorf("%q, %v", b, err)
	}
}

func TestCancel(t *testing.T) {
	c := open(t, target(t, sshdtest.Start(t)))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		time.Sleep(200 * time.Millisecond)
		cancel()
	}()
	if _, err := c.Run(ctx, []string{"sleep", "1000"}, nil); err == nil || !strings.Contains(err.Error(), "sleep") {
		t.Errorf("%v", err)
	}
	if out, err := c.Run(t.Context(), []string{"echo", "still"}, nil); err != nil || string(out.Stdout) != "still\n" {
		t.Errorf("%+v, %v", out, err)
	}
}
