package sqlite

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/zeebo/blake3"
)

// streams returns a real pass and a real final of a small database.
func streams(t testing.TB, rows int) (pass, final []byte) {
	t.Helper()
	m := newMove(t, "app.db")
	m.create("wal", rows)
	p := startProgram(t, m.src)
	m.open()
	var b bytes.Buffer
	if _, err := m.s.Pass(m.ctx, Manifest{}, &b); err != nil {
		t.Fatal(err)
	}
	p.do("INSERT INTO acks VALUES(1, 'a')")
	p.kill()
	pass = bytes.Clone(b.Bytes())
	b.Reset()
	if _, err := m.s.Final(m.ctx, Manifest{}, &b); err != nil {
		t.Fatal(err)
	}
	return pass, b.Bytes()
}

func TestTruncatedStreams(t *testing.T) {
	_, final := streams(t, 40)
	step := max(1, len(final)/150)
	for n := 0; n < len(final); n += step {
		f := At(filepath.Join(t.TempDir(), "x.db"))
		got, err := Receive(context.Background(), f, bytes.NewReader(final[:n]), Options{})
		if !errors.Is(err, ErrStream) || got.Final {
			t.Fatalf("%d of %d bytes: %v %+v", n, len(final), err, got)
		}
	}
}

func TestChangedStreams(t *testing.T) {
	_, final := streams(t, 40)
	step := max(1, len(final)/300)
	for at := 0; at < len(final); at += step {
		b := bytes.Clone(final)
		b[at] ^= 1
		f := At(filepath.Join(t.TempDir(), "x.db"))
		if got, err := Receive(context.Background(), f, bytes.NewReader(b), Options{}); err == nil || got.Final {
			t.Fatalf("a flip at %d of %d was accepted: %+v", at, len(final), got)
		}
	}
	f := At(filepath.Join(t.TempDir(), "x.db"))
	if got, err := Receive(context.Background(), f, bytes.NewReader(final), Options{}); err != nil || !got.Final {
		t.Fatalf("the stream itself: %v %+v", err, got)
	}
}

// hostile builds a stream with valid framing and digests.
func hostile(kind byte, build func(s *sender) error) []byte {
	var b bytes.Buffer
	s := newSender(&b)
	if errors.Join(s.send(msgHead, head{kind: kind}.encode()), build(s), s.finish()) != nil {
		return nil
	}
	return b.Bytes()
}

func TestHostileStreams(t *testing.T) {
	part := func(s *sender, p byte) error { return s.send(msgPart, []byte{p}) }
	end := func(s *sender, p byte, size int64) error { return s.end(p, &Blocks{Size: size}) }
	ok := meta{mode: 0o600}.encode()
	for name, b := range map[string][]byte{
		"no parts":             hostile(streamFinal, func(s *sender) error { return nil }),
		"no meta":              hostile(streamFinal, func(s *sender) error { return errors.Join(part(s, partDB), end(s, partDB, 0)) }),
		"no database":          hostile(streamFinal, func(s *sender) error { return s.send(msgMeta, ok) }),
		"meta in a pass":       hostile(streamPass, func(s *sender) error { return errors.Join(part(s, partDB), end(s, partDB, 0), s.send(msgMeta, ok)) }),
		"database in catch-up": hostile(streamCatchUp, func(s *sender) error { return errors.Join(part(s, partDB), end(s, partDB, 0)) }),
		"unknown part":         hostile(streamPass, func(s *sender) error { return part(s, 9) }),
		"part zero":            hostile(streamPass, func(s *sender) error { return part(s, 0) }),
		"part twice":           hostile(streamPass, func(s *sender) error { return errors.Join(part(s, partDB), end(s, partDB, 0), part(s, partDB)) }),
		"part in part":         hostile(streamPass, func(s *sender) error { return errors.Join(part(s, partDB), part(s, partWAL)) }),
		"unfinished part":      hostile(streamPass, func(s *sender) error { return part(s, partDB) }),
		"wrong end":            hostile(streamPass, func(s *sender) error { return errors.Join(part(s, partDB), end(s, partWAL, 0)) }),
		"huge":                 hostile(streamPass, func(s *sender) error { return errors.Join(part(s, partDB), end(s, partDB, 1<<60)) }),
		"negative":             hostile(streamPass, func(s *sender) error { return errors.Join(part(s, partDB), end(s, partDB, -1)) }),
		"setuid": hostile(streamFinal, func(s *sender) error {
			return errors.Join(part(s, partDB), end(s, partDB, 0), s.send(msgMeta, meta{mode: 0o4755}.encode()))
		}),
		"unknown message": hostile(streamPass, func(s *sender) error { return s.send('?', nil) }),
		"block outside":   hostile(streamPass, func(s *sender) error { return s.block(0, [32]byte{}, []byte{1}) }),
		"nothing":         {},
		"not a stream":    []byte("GET / HTTP/1.1\r\n\r\n"),
		"long message":    {msgHead, 0xff, 0xff, 0xff, 0xff},
	} {
		f := At(filepath.Join(t.TempDir(), "x.db"))
		if got, err := Receive(context.Background(), f, bytes.NewReader(b), Options{}); err == nil || got.Final {
			t.Errorf("%s was accepted: %+v", name, got)
		}
	}
}

// sealed makes a stream with valid framing and digests out of any bytes, so
// that fuzzing gets past them.
func sealed(b []byte) []byte {
	take := func(n int) []byte {
		n = min(n, len(b))
		out := make([]byte, n)
		copy(out, b)
		b = b[n:]
		return out
	}
	one := func() int {
		if x := take(1); len(x) == 1 {
			return int(x[0])
		}
		return 0
	}
	return hostile(byte(one()%4), func(s *sender) (err error) {
		for len(b) > 0 && err == nil {
			switch one() % 6 {
			case 0:
				err = s.send(msgPart, take(1))
			case 1:
				data := take(1 + one()*257)
				err = s.block(int64(one()), blake3.Sum256(data), data)
			case 2:
				err = s.end(byte(one()%4), &Blocks{Size: int64(one())<<16 + int64(one())<<8 + int64(one())})
			case 3:
				err = s.send(msgMeta, meta{mode: 0o600, replay: one()%2 == 0}.encode())
			case 4:
				full := bytes.Repeat(take(16), BlockSize/16)
				err = s.block(int64(one()), blake3.Sum256(full), full)
			default:
				err = s.send(byte(one()), take(one()))
			}
		}
		return err
	})
}

func FuzzReceive(f *testing.F) {
	pass, final := streams(f, 0) // small, so that mutations hit something
	f.Add(pass)
	f.Add(final)
	f.Add(final[:len(final)/2])
	f.Add([]byte{3, 0, 1, 4, 'S', 'Q', 'L', 'i', 't', 'e', ' ', 'f', 'o', 'r', 'm', 'a', 't', ' ', '3', 0, 0, 2, 1, 1, 0, 0, 3, 0})
	f.Add(hostile(streamFinal, func(s *sender) error {
		return errors.Join(s.send(msgPart, []byte{partDB}), s.end(partDB, &Blocks{}), s.send(msgMeta, meta{mode: 0o600, replay: true}.encode()))
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := memory(t)
		if err := os.WriteFile(filepath.Join(dir, "bystander"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{b, sealed(b)} {
			got, err := Receive(context.Background(), At(filepath.Join(dir, "x.db")), bytes.NewReader(b), Options{})
			if err != nil && got.Final {
				t.Fatal("final in spite of an error")
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			switch e.Name() {
			case "bystander", "x.db", "x.db-wal", "x.db-shm", "x.db-journal":
			default:
				t.Fatalf("created %q", e.Name())
			}
		}
		if x, err := os.ReadFile(filepath.Join(dir, "bystander")); err != nil || string(x) != "x" {
			t.Fatal("another file was touched")
		}
	})
}

// memory is a directory where syncing costs nothing, if there is one.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "stopover-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// What passes an RPC boundary survives it.
func TestTravels(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 300)
	p := startProgram(t, m.src)
	m.open()
	m.pass()
	w := m.warm()
	p.do("INSERT INTO acks VALUES(1, 'a')")
	p.kill()
	travel(t, &m.base)
	travel(t, &w.origin)
	travel(t, &w.receiver)
	r := m.final()
	travel(t, &r)
	cut := m.mustEqual(w)
	travel(t, &cut)
}

func travel[T any](t *testing.T, v *T) {
	t.Helper()
	b, err := cbor.Marshal(*v)
	if err != nil {
		t.Fatal(err)
	}
	var got T
	if err := cbor.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	*v = got
}
