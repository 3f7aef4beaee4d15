//go:build linux

package trial

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux/engine/enginetest"
)

// A database that is made to take for ever does so for a while only, is said to
// be one that does not arrive, and leaves nothing.
func TestPostgresTrialTime(t *testing.T) {
	p := enginetest.StartPostgres(t)
	samplePg(p, "shop")
	p.Exec("shop", "CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF current_database() LIKE 'stopover%' THEN PERFORM pg_sleep(100000); END IF; RETURN $1; END $$",
		"CREATE TABLE trap (a int)", "INSERT INTO trap VALUES (1)", "CREATE INDEX ON trap (slow(a))")
	before := pgState(p)
	out, err := load(t.Context(), pgRequest(p, "shop"), dumped(t, p, "shop", func(*header) {}), func(int64) time.Duration { return 15 * time.Second })
	if err != nil || !strings.Contains(strings.Join(out.Errors, "\n"), "not loaded and looked at within 15s") {
		t.Errorf("%+v %v", out, err)
	}
	// What does not come is no fault of the database.
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	go func() { _, _ = io.CopyN(w, dumped(t, p, "shop", func(*header) {}), 5000) }()
	if _, err := load(t.Context(), pgRequest(p, "shop"), r, func(int64) time.Duration { return 8 * time.Second }); !errors.Is(err, providers.ErrTemporary) || !errors.Is(err, errTrialTime) {
		t.Error(err)
	}
	if after := pgState(p); after != before {
		t.Errorf("left behind:\n%s\nwas\n%s", after, before)
	}
}

func TestMariaDBTrialTime(t *testing.T) {
	m := enginetest.StartMariaDB(t)
	before := mariaState(m)
	head := `{"stopover_dump":1,"engine":"mariadb"}` + "\nCREATE TABLE t (a INT);\n"
	slow := "INSERT INTO t VALUES (1);\nCREATE TABLE u AS SELECT SLEEP(100000) AS a FROM t;\n"
	out, err := load(t.Context(), mariaRequest(m, "x"), strings.NewReader(head+slow), func(int64) time.Duration { return 8 * time.Second })
	if err != nil || !strings.Contains(strings.Join(out.Errors, "\n"), "not loaded and looked at within 8s") {
		t.Errorf("%+v %v", out, err)
	}
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	go func() { _, _ = io.WriteString(w, head) }()
	if _, err := load(t.Context(), mariaRequest(m, "x"), r, func(int64) time.Duration { return 5 * time.Second }); !errors.Is(err, providers.ErrTemporary) || !errors.Is(err, errTrialTime) {
		t.Error(err)
	}
	if after := mariaState(m); after != before {
		t.Errorf("left behind:\n%s\nwas\n%s", after, before)
	}
}

func TestLongestTrial(t *testing.T) {
	for bytes, want := range map[int64]time.Duration{0: 30 * time.Minute, 60 << 20: 31 * time.Minute, 1<<63 - 1: 30*time.Minute + 7*24*time.Hour} {
		if got := longest(bytes); got != want {
			t.Errorf("%d bytes: %s", bytes, got)
		}
	}
}

// A program that has ended waits for nobody who would bring it more.
func TestChildTrialInput(t *testing.T) {
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	id := stranger()
	if id == nobody || !unknownID(id) {
		t.Errorf("user %d", id)
	}
	c := child{program: "/usr/bin/true", uid: id, gid: id, in: r, out: io.Discard, lines: func(string) {}}
	if err := c.run(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	time.AfterFunc(100*time.Millisecond, func() { cancel(gone) })
	c.program, c.args = "/usr/bin/sleep", []string{"100000"}
	if err := c.run(ctx); !errors.Is(err, gone) {
		t.Error(err)
	}
}

func TestTrialNumbers(t *testing.T) {
	for ids, want := range map[string]int{"         0          0 4294967295\n": 4294967294, "0 100000 65536\n": 65535, "": 0, "x": 0, "1000 1 1\n": 0} {
		if got := lastID(ids); got != want {
			t.Errorf("%q: %d", ids, got)
		}
	}
}

// A dump passes as it is, and nobody waits for what does not come.
func TestTrialPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(t.Context(), strings.NewReader(strings.Repeat("dump", 50_000)))
		if b, err := io.ReadAll(p); err != nil || string(b) != strings.Repeat("dump", 50_000) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		r, w := io.Pipe()
		p = newPace(t.Context(), r)
		_, cancel := p.limit(t.Context(), time.Minute)
		defer cancel()
		_, err := p.Read(make([]byte, 10))
		if !errors.Is(err, errTrialTime) {
			t.Error(err)
		}
		if err := p.judge(err, &problems{}); !errors.Is(err, providers.ErrTemporary) {
			t.Error(err)
		}
		_ = w.Close()
	})
}
