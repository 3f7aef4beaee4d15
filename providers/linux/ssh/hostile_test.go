package ssh_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux/ssh"
	"github.com/stopover/stopover/providers/linux/ssh/sshdtest"
)

// fake is a server in this process that may behave as badly as it likes.
type fake struct {
	config atomic.Pointer[xssh.ServerConfig]
	target ssh.Target
}

// serve runs a server whose sessions do what session says with them.
func serve(t *testing.T, session func(c xssh.Channel, command string)) *fake {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := xssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f, config := &fake{}, &xssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	f.config.Store(config)
	l := listen(t, func(c net.Conn) { f.handle(c, session) })
	line := fmt.Sprintf("[127.0.0.1]:%d %s", l.Port, xssh.MarshalAuthorizedKey(signer.PublicKey()))
	f.target = ssh.Target{Host: "127.0.0.1", Port: l.Port, User: "root", ConfigFile: ssh.None, Agent: ssh.None, IdentityFiles: []string{"/no/key"},
		KnownHosts: []string{file(t, "known", line)}, Timeout: 3 * time.Second}
	return f
}

func listen(t *testing.T, each func(net.Conn)) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			go each(c)
		}
	}()
	return l.Addr().(*net.TCPAddr)
}

func (f *fake) handle(c net.Conn, session func(xssh.Channel, string)) {
	conn, chans, reqs, err := xssh.NewServerConn(c, f.config.Load())
	if err != nil {
		return
	}
	go func() {
		for r := range reqs {
			_ = r.Reply(false, nil)
		}
	}()
	// What nobody asked for.
	go func() { _, _, _ = conn.OpenChannel("forwarded-tcpip", bytes.Repeat([]byte("x"), 1000)) }()
	go func() { _, _, _ = conn.SendRequest("hostkeys-00@openssh.com", true, []byte("x")) }()
	for n := range chans {
		ch, reqs, err := n.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range reqs {
				if r.Type != "exec" {
					_ = r.Reply(true, nil)
					continue
				}
				var p struct{ Command string }
				_ = xssh.Unmarshal(r.Payload, &p)
				_ = r.Reply(true, nil)
				go session(ch, p.Command)
			}
		}()
	}
}

// mark is the word that a command line wants to see before the command.
func mark(command string) string {
	_, rest, _ := strings.Cut(command, "stopover-")
	if i := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }); i >= 0 {
		rest = rest[:i]
	}
	// A hyphen travels as an escape.
	if rest == "" {
		_, rest, _ = strings.Cut(command, `stopover\0055`)
		rest = rest[:24]
	}
	return "stopover-" + rest
}

func status(c xssh.Channel, code uint32) {
	_, _ = c.SendRequest("exit-status", false, xssh.Marshal(struct{ C uint32 }{code}))
	_ = c.Close()
}

func flood(w io.Writer) {
	block := bytes.Repeat([]byte("\x1b]0;x\x07y"), 4096)
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func run(t *testing.T, f *fake) (ssh.Output, error) {
	t.Helper()
	c := open(t, f.target)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return c.Run(ctx, []string{"true"}, nil)
}

// heap is what this process holds.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestHostileSessions(t *testing.T) {
	ok := func(c xssh.Channel, command string) { _, _ = io.WriteString(c, mark(command)) }
	for _, tc := range []struct {
		name    string
		session func(c xssh.Channel, command string)
		kind    error
		want    string
	}{
		{"noise without end", func(c xssh.Channel, _ string) { flood(c) }, ssh.ErrShell, "start-up files"},
		{"output without end", func(c xssh.Channel, cmd string) { ok(c, cmd); flood(c) }, ssh.ErrTooMuch, "127.0.0.1"},
		{"ends before the command", func(c xssh.Channel, _ string) {
			_, _ = io.WriteString(c, "no\x1b[2Jentry")
			status(c, 1)
		}, ssh.ErrShell, `no\u001b[2Jentry`},
		{"hangs up", func(c xssh.Channel, cmd string) { ok(c, cmd); _ = c.Close() }, nil, "127.0.0.1"},
		{"signal with escapes", func(c xssh.Channel, cmd string) {
			ok(c, cmd)
			_, _ = c.SendRequest("exit-signal", false, xssh.Marshal(struct {
				S string
				D bool
				E string
				L string
			}{"KI\x1b[0mLL", false, strings.Repeat("e\x1b", 9999), ""}))
			_ = c.Close()
		}, nil, ""},
		{"status twice", func(c xssh.Channel, cmd string) {
			ok(c, cmd)
			_, _ = c.SendRequest("exit-status", false, xssh.Marshal(struct{ C uint32 }{0}))
			_, _ = c.SendRequest("exit-status", false, []byte("x"))
			status(c, 0xffffffff)
		}, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := heap()
			out, err := run(t, serve(t, tc.session))
			if tc.kind != nil && !errors.Is(err, tc.kind) || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%+v, %v", out, err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\x1b\x07\n") || strings.ContainsAny(out.Signal, "\x1b") {
				t.Errorf("%q, %q", err, out.Signal)
			}
			if grown := int64(heap()) - int64(before); grown > 64<<20 {
				t.Errorf("the server made this process hold %d MB", grown>>20)
			}
		})
	}
}

// TestHostileStderr: what a server says there is read, so that it does not
// stall, and only the last of it is kept.
func TestHostileStderr(t *testing.T) {
	f := serve(t, func(c xssh.Channel, cmd string) {
		_, _ = io.WriteString(c, mark(cmd))
		block := bytes.Repeat([]byte("e"), 32<<10)
		for range 1000 {
			if _, err := c.Stderr().Write(block); err != nil {
				return
			}
		}
		_, _ = io.WriteString(c.Stderr(), "the end")
		status(c, 3)
	})
	out, err := run(t, f)
	if err != nil || out.Exit != 3 || len(out.Stderr) != 16<<10 || !bytes.HasSuffix(out.Stderr, []byte("the end")) {
		t.Errorf("%d bytes, %v", len(out.Stderr), err)
	}
}

// TestHostileSilence: a server that never answers ends with the caller's
// patience, and one that does not let go loses the connection.
func TestHostileSilence(t *testing.T) {
	f := serve(t, func(xssh.Channel, string) {})
	through, cut := sshdtest.Relay(t, fmt.Sprintf("127.0.0.1:%d", f.target.Port))
	known := sshdtest.Read(t, f.target.KnownHosts[0])
	f.target.KnownHosts = []string{file(t, "known", strings.Replace(known, fmt.Sprint(f.target.Port), fmt.Sprint(through), 1))}
	f.target.Port = through
	c := open(t, f.target)
	again, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	if _, err := c.Run(again, []string{"true"}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if err := c.Err(); err != nil {
		t.Errorf("a command that was given up took the connection with it: %v", err)
	}
	cut()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.Run(ctx, []string{"true"}, nil); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), c.Address()) {
		t.Errorf("%v", err)
	}
	<-c.Done()
	if err := c.Err(); !errors.Is(err, providers.ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

func TestHostileGreetings(t *testing.T) {
	for name, each := range map[string]func(net.Conn){
		"lines without end": func(c net.Conn) { flood(c) },
		"one line":          func(c net.Conn) { flood(noNewline{c}) },
		"web server":        func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad\x1b[2JRequest\r\n\r\n"); _ = c.Close() },
		"hangs up":          func(c net.Conn) { _ = c.Close() },
		"nonsense": func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			_, _ = io.CopyN(c, rand.Reader, 1<<20)
			_ = c.Close()
		},
		"huge packet": func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n\x7f\xff\xff\xff\x04")
			flood(c)
		},
		"old": func(c net.Conn) { _, _ = io.WriteString(c, "SSH-1.5-x\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			a := listen(t, each)
			tg := ssh.Target{Host: "127.0.0.1", Port: a.Port, ConfigFile: ssh.None, Agent: ssh.None, KnownHosts: []string{"/dev/null"}, Timeout: time.Second}
			refused(t, tg, providers.ErrUnreachable, a.String())
		})
	}
}

type noNewline struct{ w io.Writer }

func (n noNewline) Write(p []byte) (int, error) {
	return n.w.Write(bytes.ReplaceAll(p, []byte("\n"), nil))
}

func TestQuestions(t *testing.T) {
	t.Setenv("STOPOVER_TEST_RIGHT", password)
	f := serve(t, func(c xssh.Channel, cmd string) { _, _ = io.WriteString(c, mark(cmd)); status(c, 0) })
	f.target.Password = "env:STOPOVER_TEST_RIGHT"
	ask := func(g func(ask xssh.KeyboardInteractiveChallenge) error) {
		config := &xssh.ServerConfig{
			KeyboardInteractiveCallback: func(_ xssh.ConnMetadata, c xssh.KeyboardInteractiveChallenge) (*xssh.Permissions, error) {
				return nil, g(c)
			},
		}
		config.AddHostKey(f.key(t))
		f.config.Store(config)
	}
	ask(func(c xssh.KeyboardInteractiveChallenge) error {
		got, err := c("", "", []string{"Password: "}, []bool{false})
		if err != nil || got[0] != password {
			return errors.New("wrong")
		}
		_, err = c("", "welcome", nil, nil)
		return err
	})
	if _, err := run(t, f); err != nil {
		t.Errorf("%v", err)
	}
	var mu sync.Mutex
	var heard []string
	hear := func(got []string, err error) error {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, got...)
		if err != nil {
			return err
		}
		return errors.New("no")
	}
	for _, g := range []func(xssh.KeyboardInteractiveChallenge) error{
		func(c xssh.KeyboardInteractiveChallenge) error {
			return hear(c("", "", []string{"Password: ", "Code\x1b[2J: "}, []bool{false, false}))
		},
		func(c xssh.KeyboardInteractiveChallenge) error {
			return hear(c("", "", []string{"Name: "}, []bool{true}))
		},
		func(c xssh.KeyboardInteractiveChallenge) error {
			for {
				if _, err := c("", "", nil, nil); err != nil {
					return err
				}
			}
		},
	} {
		ask(g)
		refused(t, f.target, ssh.ErrAuth, "127.0.0.1")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(heard) > 0 {
		t.Errorf("a question for something else was answered with %q", heard)
	}
	var n atomic.Int64
	ask(func(c xssh.KeyboardInteractiveChallenge) error {
		for { // the password is given once, and not to whoever asks on
			got, err := c("", "", []string{"Password: "}, []bool{false})
			if err != nil {
				return err
			}
			n.Add(int64(len(got)))
		}
	})
	refused(t, f.target, ssh.ErrAuth)
	if n.Load() != 1 {
		t.Errorf("the password was given %d times", n.Load())
	}
}

// key makes a new host key and makes it known.
func (f *fake) key(t *testing.T) xssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := xssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("[127.0.0.1]:%d %s", f.target.Port, xssh.MarshalAuthorizedKey(signer.PublicKey()))
	if err := os.WriteFile(filepath.Clean(f.target.KnownHosts[0]), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	return signer
}
