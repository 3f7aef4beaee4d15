package sqlite

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// truncates says whether another process can empty the WAL.
func truncates(p *program) bool {
	p.t.Helper()
	p.do("PRAGMA busy_timeout=50")
	return strings.HasPrefix(p.do("PRAGMA wal_checkpoint(TRUNCATE)"), "0 ")
}

// touchFiles does what the agent's other code may do: read the files and close them.
func touchFiles(t *testing.T, path string) {
	t.Helper()
	for _, suffix := range []string{"", walSuffix, shmSuffix} {
		f, err := os.Open(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

func TestHoldOutlastsClosing(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 50)
	p := startProgram(t, m.src)
	p.do("INSERT INTO acks VALUES(1, 'a')")
	m.open()
	m.pass()
	touchFiles(t, m.src)
	p.do("INSERT INTO acks VALUES(2, 'b')")
	if truncates(p) {
		t.Fatal("another process emptied the WAL during the hold")
	}
	// The other direction: a program that starts now must not take itself for the first.
	q := startProgram(t, m.src)
	q.do("INSERT INTO acks VALUES(3, 'c')")
	if truncates(q) {
		t.Fatal("a new process emptied the WAL during the hold")
	}
	warm := m.warm()
	p.do("INSERT INTO acks VALUES(4, 'd')")
	p.kill()
	q.kill()
	if r := m.final(); len(r.Notes) != 0 {
		t.Errorf("the cut was not cheap: %q", r.Notes)
	}
	m.mustEqual(warm)
	m.check(4)
}

// Without the doubled locks the closing does lose the hold: the test above tests something.
func TestSQLiteLocksAloneAreLost(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 50)
	p := startProgram(t, m.src)
	p.do("INSERT INTO acks VALUES(1, 'a')")
	m.open()
	m.pass()
	if m.s.hold == nil {
		t.Fatal("not held")
	}
	m.s.hold.guard.release()
	p.do("INSERT INTO acks VALUES(2, 'b')")
	if truncates(p) {
		t.Fatal("SQLite's own locks did not hold")
	}
	touchFiles(t, m.src)
	if !truncates(p) {
		t.Fatal("closing descriptors did not drop the locks: this system is not what the package guards against")
	}
}

// The comparison notices a hold that was lost behind the copier's back.
func TestLostHoldIsNoticed(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 400)
	p := startProgram(t, m.src)
	p.do("INSERT INTO acks VALUES(1, 'a')")
	m.open()
	m.pass()
	warm := m.warm()
	m.s.hold.guard.release()
	touchFiles(t, m.src)
	p.do("UPDATE other SET b = randomblob(3000) WHERE rowid = 250")
	if !truncates(p) {
		t.Fatal("the hold was not lost")
	}
	p.do("INSERT INTO acks VALUES(2, 'a')")
	p.kill()
	m.final() // believes in its hold, and misses a page
	v, cut := m.compare(warm)
	if v.Equal || !cut.Whole {
		t.Fatalf("equal %v, whole %v: the lost hold went unnoticed", v.Equal, cut.Whole)
	}
}

func TestSessionsShareAFile(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 50)
	p := startProgram(t, m.src)
	m.open()
	m.pass()
	for range 5 {
		s, err := OpenOrigin(m.ctx, m.keeper, At(m.src), Options{})
		if err != nil {
			t.Fatal(err)
		}
		p.do("INSERT INTO acks SELECT coalesce(max(id), 0) + 1, 'x' FROM acks")
		if _, err := Inspect(m.ctx, m.keeper, At(m.src), InspectOptions{Rows: true}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if truncates(p) {
			t.Fatal("closing another session lost the hold")
		}
	}
	warm := m.warm()
	p.kill()
	if r := m.final(); len(r.Notes) != 0 {
		t.Errorf("the cut was not cheap: %q", r.Notes)
	}
	m.mustEqual(warm)
	m.check(5)
}

func TestClosedSessionLeavesNothing(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 50)
	m.open()
	m.pass()
	if err := m.s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{walSuffix, shmSuffix} {
		if _, err := os.Lstat(m.src + suffix); err == nil {
			t.Errorf("%s is left", suffix)
		}
	}
	p := startProgram(t, m.src)
	p.do("INSERT INTO acks VALUES(1, 'a')")
	if !truncates(p) {
		t.Error("something still holds the database")
	}
	if _, err := m.s.Pass(m.ctx, Manifest{}, nil); err != ErrClosed {
		t.Errorf("a pass of a closed session: %v", err)
	}
	if err := m.s.Close(); err != nil {
		t.Error(err)
	}
}

func TestFinalWritesNothingAtTheOrigin(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 50)
	p := startProgram(t, m.src)
	m.open()
	m.pass()
	p.do("INSERT INTO acks VALUES(1, 'a')")
	p.kill()
	snap := func() (s [2]Stamp) {
		for i, suffix := range []string{"", walSuffix} {
			var err error
			dir, err := openPlace(At(m.src))
			if err != nil {
				t.Fatal(err)
			}
			if s[i], err = dir.stamp(suffix); err != nil {
				t.Fatal(err)
			}
			dir.close()
		}
		return s
	}
	before := snap()
	m.final()
	if err := m.s.Close(); err != nil {
		t.Fatal(err)
	}
	if after := snap(); after != before {
		t.Errorf("the origin was written to: %v, then %v", before, after)
	}
}

func TestAgentKilled(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 3000)
	w := startWriter(t, m.src, "mixed", 7)
	for range 3 {
		agent := spawn(t, "agent", m.src)
		out, err := agent.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := agent.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(30*time.Millisecond, func() { _ = agent.Process.Kill() })
		_, err = Receive(m.ctx, At(m.dst), out, Options{})
		timer.Stop()
		_ = agent.Process.Kill()
		_ = agent.Wait()
		t.Logf("the receiver of a killed agent: %v", err)
		w.more(t, 10)
	}
	m.open()
	m.pass()
	warm := m.warm()
	w.more(t, 10)
	acks := w.kill()
	m.final()
	m.mustEqual(warm)
	m.check(acks)
}

func TestReceiverKilled(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 3000)
	w := startWriter(t, m.src, "insert", 7)
	m.open()
	for i := range 4 {
		m.base = Manifest{}
		m.manifest()
		r := spawn(t, "receive", m.dst)
		r.Stderr = nil
		in, err := r.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(10*i)*time.Millisecond, func() { _ = r.Process.Kill() })
		_, err = m.s.Pass(m.ctx, m.base, in)
		t.Logf("the sender to a killed receiver: %v", err)
		timer.Stop()
		_ = r.Process.Kill()
		_ = r.Wait()
		w.more(t, 5)
	}
	m.base = Manifest{}
	m.pass()
	warm := m.warm()
	acks := w.kill()
	m.final()
	m.mustEqual(warm)
	m.check(acks)
}

// A replay cut short leaves pages of the future, a WAL and a -shm beside the
// copy. A new manifest makes all good.
func TestReplayCutShort(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 300)
	p := startProgram(t, m.src)
	m.open()
	m.pass()
	p.do("UPDATE other SET b = randomblob(3000)")
	p.do("INSERT INTO acks VALUES(1, 'a')")
	p.kill()
	m.catchUp()
	copyFile(t, m.src+shmSuffix, m.dst+shmSuffix)
	f, err := os.OpenFile(m.dst, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 3*4096), 40960); err != nil {
		t.Fatal(err)
	}
	f.Close()
	// What was known of the copy no longer holds, and is refused.
	if err := m.refused(m.base); err == nil || !strings.Contains(err.Error(), ErrStale.Error()) {
		t.Errorf("a stale base: %v", err)
	}
	m.base = Manifest{}
	m.manifest()
	if r := m.final(); r.Stats.BlocksSent == 0 {
		t.Error("the damage was not sent again")
	}
	m.mustEqual(warmed{})
	m.check(1)
	// The answer was lost; the same final again is refused, from a new manifest it is fine.
	if err := m.refused(m.base); err == nil || !strings.Contains(err.Error(), ErrStale.Error()) {
		t.Errorf("a repeated final: %v", err)
	}
	m.base = Manifest{}
	m.manifest()
	m.final()
	m.mustEqual(warmed{})
}

// refused sends a final over a file, and returns what the receiver says.
func (m *move) refused(base Manifest) error {
	m.t.Helper()
	f, err := os.CreateTemp(m.t.TempDir(), "")
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	if _, err := m.s.Final(m.ctx, base, f); err != nil {
		m.t.Fatal(err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		m.t.Fatal(err)
	}
	_, err = Receive(m.ctx, At(m.dst), f, Options{})
	return err
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCancelled(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 50)
	m.open()
	ctx, cancel := context.WithCancel(m.ctx)
	cancel()
	if _, err := m.s.Pass(ctx, Manifest{}, os.NewFile(0, "")); err == nil {
		t.Error("a cancelled pass succeeded")
	}
	if _, err := OpenOrigin(ctx, m.keeper, At(m.src), Options{}); err == nil {
		t.Error("a cancelled open succeeded")
	}
	m.pass()
	m.final()
	m.mustEqual(warmed{})
}

// The C library, where it is installed, agrees about locks and contents.
func TestAgainstSQLite3(t *testing.T) {
	cli, err := exec.LookPath("sqlite3")
	if err != nil {
		notHere(t, "sqlite3 is not installed")
	}
	run := func(path, q string) string {
		out, err := exec.Command(cli, path, q).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v %s", q, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	m := newMove(t, "app.db")
	m.create("wal", 50)
	m.open()
	m.pass()
	warm := m.warm()
	run(m.src, "INSERT INTO acks VALUES(1, randomblob(70000))")
	if got := run(m.src, "PRAGMA wal_checkpoint(TRUNCATE)"); !strings.HasPrefix(got, "1|") {
		t.Errorf("checkpoint during the hold: %s", got)
	}
	m.final()
	m.mustEqual(warm)
	copyFile(t, m.dst, filepath.Join(t.TempDir(), "c.db"))
	if got := run(m.dst, "PRAGMA integrity_check; SELECT count(*) FROM acks"); got != "ok\n1" {
		t.Errorf("the copy: %s", got)
	}
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
