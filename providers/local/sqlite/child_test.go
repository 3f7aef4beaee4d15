package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test binary runs itself again as the account's programs: SQLite behaves
// differently among processes than among connections of one.
const childEnv = "STOPOVER_SQLITE_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := child(mode, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(mode string, args []string) error {
	ctx := context.Background()
	switch mode {
	case "agent": // holds a database and sends a pass, until it is killed
		s, err := OpenOrigin(ctx, &Keeper{}, At(args[0]), Options{})
		if err != nil {
			return err
		}
		_, err = s.Pass(ctx, Manifest{}, os.Stdout)
		time.Sleep(time.Hour)
		return err
	case "receive":
		_, err := Receive(ctx, At(args[0]), os.Stdin, Options{})
		return err
	}
	db, err := sql.Open("sqlite", "file:"+escape(args[0])+"?_pragma=busy_timeout(20000)&_txlock=immediate")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	if mode == "commands" {
		return obey(db, os.Stdin)
	}
	seed, _ := strconv.ParseUint(args[1], 10, 64)
	return write(db, mode, rand.New(rand.NewPCG(seed, seed)))
}

// obey runs statements from lines and answers each with ok or an error.
func obey(db *sql.DB, in io.Reader) error {
	for s := bufio.NewScanner(in); s.Scan(); {
		rows, err := db.Query(s.Text())
		answer := "ok"
		if err == nil {
			cols, _ := rows.Columns()
			for rows.Next() {
				v := make([]any, len(cols))
				for i := range v {
					v[i] = new(any)
				}
				err = errors.Join(err, rows.Scan(v...))
				for i := range v {
					answer += fmt.Sprintf(" %v", *v[i].(*any))
				}
			}
			err = errors.Join(err, rows.Err(), rows.Close())
		}
		if err != nil {
			answer = "error " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(answer)
	}
	return nil
}

// write works until it is killed, printing each id once its commit has returned.
func write(db *sql.DB, mode string, r *rand.Rand) error {
	for id := 1; ; id++ {
		blob := 50 + r.IntN(3000)
		if mode == "mixed" && r.IntN(40) == 0 {
			blob = 1 << 18
		}
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO acks(id, b) VALUES(?, randomblob(?))", id, blob); err != nil {
			return err
		}
		if mode == "mixed" {
			if err := churn(tx, r, id); err != nil {
				return err
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		fmt.Println(id)
		switch mode {
		case "mixed":
			maintain(db, r)
		case "paced":
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func churn(tx *sql.Tx, r *rand.Rand, id int) error {
	q := []string{
		"INSERT INTO other(b) SELECT randomblob(4000) FROM acks LIMIT 60",
		"DELETE FROM other WHERE rowid % 3 = 0",
		"UPDATE other SET b = randomblob(5000) WHERE rowid % 7 = 1",
		"DELETE FROM other",
		"UPDATE acks SET b = zeroblob(10) WHERE id % 5 = 0",
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS t%d(x)", id%9),
		fmt.Sprintf("DROP TABLE IF EXISTS t%d", (id+4)%9),
	}[r.IntN(7)]
	_, err := tx.Exec(q)
	return err
}

// maintain does what a program may do to its own database; being refused is fine.
func maintain(db *sql.DB, r *rand.Rand) {
	switch r.IntN(30) {
	case 0:
		_, _ = db.Exec("VACUUM")
	case 1:
		_, _ = db.Exec("PRAGMA busy_timeout=10; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout=20000")
	case 2:
		_, _ = db.Exec("PRAGMA busy_timeout=10; PRAGMA wal_checkpoint(RESTART); PRAGMA busy_timeout=20000")
	case 3:
		_, _ = db.Exec("PRAGMA wal_checkpoint(PASSIVE)")
	case 4:
		_, _ = db.Exec(fmt.Sprintf("PRAGMA wal_autocheckpoint=%d", 1+r.IntN(500)))
	}
}

func spawn(t testing.TB, mode string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, args...)
	c.Env = append(os.Environ(), childEnv+"="+mode)
	c.Stderr = os.Stderr
	return c
}

// writer is a program of the account.
type writer struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	acks int64
	done chan struct{}
}

func startWriter(t testing.TB, path, mode string, seed int) *writer {
	t.Helper()
	w := &writer{cmd: spawn(t, mode, path, strconv.Itoa(seed)), done: make(chan struct{})}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.done)
		for s := bufio.NewScanner(out); s.Scan(); {
			n, err := strconv.ParseInt(s.Text(), 10, 64)
			if err != nil {
				return
			}
			w.mu.Lock()
			w.acks = n
			w.mu.Unlock()
		}
	}()
	t.Cleanup(func() { w.kill() })
	return w
}

func (w *writer) acked() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acks
}

// more waits until n more writes were acknowledged.
func (w *writer) more(t testing.TB, n int64) {
	t.Helper()
	for until := w.acked() + n; w.acked() < until; {
		select {
		case <-w.done:
			t.Fatal("the writer ended by itself")
		case <-time.After(time.Millisecond):
		}
	}
}

// kill ends the writer wherever it is, and returns the last id it acknowledged.
func (w *writer) kill() int64 {
	_ = w.cmd.Process.Kill()
	<-w.done
	_ = w.cmd.Wait()
	return w.acked()
}

// program is another process that runs statements one by one.
type program struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startProgram(t testing.TB, path string) *program {
	t.Helper()
	p := &program{t: t, cmd: spawn(t, "commands", path)}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	return p
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *program) try(q string) string {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, q); err != nil {
		p.t.Fatal(err)
	}
	if !p.out.Scan() {
		p.t.Fatalf("the program ended at %q", q)
	}
	return p.out.Text()
}

func (p *program) do(q string) string {
	p.t.Helper()
	a := p.try(q)
	if !strings.HasPrefix(a, "ok") {
		p.t.Fatalf("%s: %s", q, a)
	}
	return strings.TrimSpace(strings.TrimPrefix(a, "ok"))
}
