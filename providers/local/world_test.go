package local_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/local"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/providertest"
	"github.com/stopover/stopover/schema"
)

// harness makes worlds of pocket servers.
type harness struct {
	executable string
	where      func(t *testing.T, side providertest.Side) string // directory that holds the server's; nil: a temporary one
}

func (h harness) Kind() providers.Kind { return local.Kind() }

func (h harness) World(t *testing.T, accounts ...providertest.Account) providertest.World {
	t.Helper()
	return h.world(t, accounts...)
}

func (h harness) world(t *testing.T, accounts ...providertest.Account) *world {
	t.Helper()
	// Short: the paths of sockets are.
	dir, err := os.MkdirTemp("", "pocket-")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, base: dir, executable: h.executable, address: map[providertest.Side]string{}, dirs: map[providertest.Side]string{}}
	for _, side := range []providertest.Side{providertest.Source, providertest.Transit} {
		w.address[side], w.dirs[side] = freeAddress(t), filepath.Join(dir, string(side))
		if h.where != nil {
			w.dirs[side] = filepath.Join(h.where(t, side), string(side))
		}
	}
	t.Cleanup(w.close)
	w.depot()
	w.source(accounts)
	return w
}

// world is a source with accounts, and a place for a transit server.
type world struct {
	t          *testing.T
	base       string
	executable string
	dirs       map[providertest.Side]string
	address    map[providertest.Side]string
}

const (
	httpPort = 8080
	smtpPort = 8025
)

// freeAddress picks a loopback address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		ip := fmt.Sprintf("127.%d.%d.%d", 64+rand.IntN(128), rand.IntN(256), 1+rand.IntN(254))
		l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(httpPort)))
		if err == nil {
			_ = l.Close()
			return ip
		}
	}
	t.Fatal("no loopback address is free")
	return ""
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(name, content string, mode fs.FileMode) {
	w.t.Helper()
	w.must(os.MkdirAll(filepath.Dir(name), 0o755))
	w.must(os.WriteFile(name, []byte(content), mode))
}

func (w *world) depot() {
	r := providertest.Runtime()
	w.write(filepath.Join(w.base, "depot", r.Name, r.Version, r.Name), "#!/bin/sh\nexec \"$@\"\n", 0o755)
}

func (w *world) source(accounts []providertest.Account) {
	dir, r := w.dirs[providertest.Source], providertest.Runtime()
	w.must(os.MkdirAll(filepath.Join(dir, "accounts"), 0o755))
	w.write(filepath.Join(dir, "runtimes", r.Name, r.Version, r.Name), "#!/bin/sh\nexec \"$@\"\n", 0o755)
	w.must(description.WriteServer(dir, &description.Server{Name: "source", Architecture: "2020", HTTPPort: httpPort, SMTPPort: smtpPort,
		Serves: []string{w.address[providertest.Source]}, Engines: []description.Engine{{Name: "sqlite", Version: "3"}},
		Runtimes: []description.Runtime{{Name: r.Name, Version: r.Version, Path: r.Name}},
		Options:  map[string]string{"depot": filepath.Join(w.base, "depot"), "idle": "5m"}}))
	for _, a := range accounts {
		w.account(a)
	}
}

func (w *world) account(a providertest.Account) {
	at, err := description.AccountDir(w.dirs[providertest.Source], a.Name)
	w.must(err)
	for _, sub := range []string{"home", "mail", "databases"} {
		w.must(os.MkdirAll(filepath.Join(at, sub), 0o755))
	}
	d := &description.Account{Name: a.Name}
	if a.Domain != "" {
		d.Domains = []description.Domain{{Name: a.Domain}}
		d.Site = &description.Site{Kind: description.SiteStatic}
		w.write(filepath.Join(at, "home", "www", "index.html"), "this is "+a.Domain+"\n", 0o644)
	}
	for _, user := range a.Mailboxes {
		d.Mailboxes = append(d.Mailboxes, description.Mailbox{Domain: a.Domain, User: user})
		box := filepath.Join(at, "mail", a.Domain, user)
		for _, sub := range []string{"cur", "new", "tmp", ".Sent/cur", ".Sent/new", ".Sent/tmp"} {
			w.must(os.MkdirAll(filepath.Join(box, sub), 0o700))
		}
		w.write(filepath.Join(box, "cur", "1700000000.M1P1.host:2,FS"), "Subject: one\r\n\r\nseen\r\n", 0o600)
		w.write(filepath.Join(box, "new", "1700000001.M1P1.host"), "Subject: two\r\n\r\nnew\r\n", 0o600)
		w.write(filepath.Join(box, "dovecot-uidlist"), "3 V1 N3\n1 :1700000000.M1P1.host\n", 0o600)
	}
	for _, name := range a.Databases {
		d.Databases = append(d.Databases, description.Database{Name: name})
		w.must(createTable(filepath.Join(at, "databases", name+".sqlite")))
	}
	if a.Program {
		d.Programs = []description.Program{{Name: "sleeper", Command: []string{"/bin/sleep", "3600"}}}
	}
	if a.Task {
		d.Tasks = []description.Task{{Name: "yearly", Schedule: "0 0 1 1 *", Command: []string{"/bin/true"}}}
	}
	if a.Fill != nil {
		w.must(a.Fill(filepath.Join(at, "home")))
	}
	w.must(description.WriteAccount(w.dirs[providertest.Source], d))
}

func (w *world) Env() providers.Env { return providers.Env{Dir: w.base, Executable: w.executable} }

func (w *world) Config(side providertest.Side) schema.Server {
	return schema.Server{Name: string(side), Provider: "local", Address: w.dirs[side], Serves: []string{w.address[side]},
		Options: map[string]string{"depot": "depot", "idle": "5m"}}
}

func (w *world) Architecture() schema.Architecture {
	r := providertest.Runtime()
	return schema.Architecture{Name: "2024", Runtimes: []schema.RuntimeOffer{{Name: r.Name, Versions: []string{r.Version}}},
		Engines: []schema.EngineOffer{{Name: "sqlite", Version: "3"}}}
}

// pid is the server's process, or 0.
func (w *world) pid(side providertest.Side) int {
	c, err := local.Dial(context.Background(), w.dirs[side])
	if err != nil {
		return 0
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	w.must(err)
	pid := 0
	w.must(raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	}))
	return pid
}

func (w *world) Running(side providertest.Side) bool { return w.pid(side) != 0 }

func (w *world) Kill(side providertest.Side) {
	w.t.Helper()
	if pid := w.pid(side); pid != 0 {
		w.must(syscall.Kill(pid, syscall.SIGKILL))
	}
	w.unlocked(side)
}

// unlocked waits until no process holds the server's lock.
func (w *world) unlocked(side providertest.Side) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		f, err := os.Open(filepath.Join(w.dirs[side], "agent.lock"))
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		w.must(err)
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		_ = f.Close()
		if err == nil {
			return
		}
	}
	w.t.Fatalf("the process of %s does not end", side)
}

// launch starts the server's process and returns without waiting for it.
func (w *world) launch(side providertest.Side) (*exec.Cmd, chan error) {
	w.t.Helper()
	c := exec.Command(w.executable, "pocket-server", "--dir="+w.dirs[side])
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if log, err := os.OpenFile(filepath.Join(w.dirs[side], "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
		c.Stdout, c.Stderr = log, log
		defer log.Close()
	}
	w.must(c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	return c, ended
}

func (w *world) Start(side providertest.Side) {
	w.t.Helper()
	if w.Running(side) {
		return
	}
	_, ended := w.launch(side)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if w.Running(side) {
			return
		}
		select {
		case err := <-ended:
			w.t.Fatalf("the process of %s ended: %v", side, err)
		default:
		}
	}
	w.t.Fatalf("the process of %s does not answer", side)
}

func (w *world) Reboot(side providertest.Side) {
	w.t.Helper()
	w.Kill(side)
	killPrograms(w.dirs[side])
	w.must(os.RemoveAll(filepath.Join(w.dirs[side], "run")))
}

func (w *world) Cut(side providertest.Side, after int) {
	if after < 0 {
		_ = os.Remove(w.dirs[side] + cutExt)
		return
	}
	w.must(os.WriteFile(w.dirs[side]+cutExt, []byte(strconv.Itoa(after)), 0o600))
}

func (w *world) Place(side providertest.Side, account string) (home, mail string) {
	at, err := description.AccountDir(w.dirs[side], account)
	w.must(err)
	return filepath.Join(at, "home"), filepath.Join(at, "mail")
}

func (w *world) Litter(side providertest.Side, name, content string) string {
	w.must(os.WriteFile(filepath.Join(w.dirs[side], name), []byte(content), 0o644))
	return "/" + name
}

func (w *world) Littered(side providertest.Side, name string) (string, bool) {
	b, err := os.ReadFile(filepath.Join(w.dirs[side], name))
	return string(b), err == nil
}

// Snapshot leaves out run state, and the index that SQLite makes anew.
func (w *world) Snapshot(side providertest.Side) string {
	dir, sum := w.dirs[side], sha256.New()
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if slices.Contains([]string{"run", "agent.lock", "server.log", "spool"}, rel) || strings.HasSuffix(rel, "-shm") {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %v", rel, info.Mode())
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(sum, " %d %x", info.ModTime().UnixNano(), sha256.Sum256(b))
		}
		_, err = fmt.Fprintln(sum)
		return err
	})
	w.must(err)
	return fmt.Sprintf("%x", sum.Sum(nil)[:8])
}

// close ends everything, also after a failure.
func (w *world) close() {
	for _, side := range []providertest.Side{providertest.Source, providertest.Transit} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err := local.Stop(ctx, w.dirs[side])
		cancel()
		if err != nil {
			w.t.Logf("stop %s: %v", side, err)
			w.Kill(side)
		}
		killPrograms(w.dirs[side])
		b, _ := os.ReadFile(filepath.Join(w.dirs[side], "server.log"))
		for _, bad := range []string{"DATA RACE", "panic", "fatal error:"} {
			if i := strings.Index(string(b), bad); i >= 0 {
				w.t.Errorf("the process of %s: …%s", side, b[max(0, i-200):min(len(b), i+3000)])
			}
		}
		if w.t.Failed() {
			w.t.Logf("log of %s: …%s", side, b[max(0, len(b)-2000):])
		}
	}
	_ = filepath.WalkDir(w.base, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(w.base); err != nil {
		w.t.Errorf("clean up: %v", err)
	}
}

// killPrograms ends what a server's accounts run: they carry its mark.
func killPrograms(dir string) {
	id, err := os.ReadFile(filepath.Join(dir, "machine-id"))
	if err != nil {
		return
	}
	mark := "STOPOVER_POCKET=" + strings.TrimSpace(string(id)) + ":"
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err == nil && slices.ContainsFunc(strings.Split(string(env), "\x00"), func(v string) bool { return strings.HasPrefix(v, mark) }) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
