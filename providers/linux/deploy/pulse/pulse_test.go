package pulse

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func pair(limit time.Duration) (*Conn, *Conn) {
	a, b := net.Pipe()
	return New(a, limit), New(b, limit)
}

func TestBothWays(t *testing.T) {
	a, b := pair(Limit)
	data := make([]byte, 5*MaxFrame+7)
	_, _ = rand.Read(data)
	go func() { _, _ = io.Copy(b, b) }() // an echo
	go func() {
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 10007)
			_, _ = a.Write(rest[:n])
			rest = rest[n:]
		}
	}()
	got := make([]byte, len(data))
	if _, err := io.ReadFull(a, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%v", err)
	}
	_ = a.Close()
	<-b.Done()
	if err := b.Err(); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

// TestCloseSends: what was written before Close arrives.
func TestCloseSends(t *testing.T) {
	a, b := pair(Limit)
	got := make(chan string)
	go func() {
		s, _ := io.ReadAll(b)
		got <- string(s)
	}()
	_, _ = a.Write([]byte("last words"))
	_ = a.Close()
	if s := <-got; s != "last words" {
		t.Errorf("%q", s)
	}
}

// TestAlive: both ends stay, with nothing to say, for many limits.
func TestAlive(t *testing.T) {
	const limit = 200 * time.Millisecond
	a, b := pair(limit)
	time.Sleep(5 * limit)
	if a.Err() != nil || b.Err() != nil {
		t.Errorf("%v, %v", a.Err(), b.Err())
	}
	// Nor is it silence when nobody reads what came.
	_, _ = a.Write([]byte("first"))
	time.Sleep(5 * limit)
	buf := make([]byte, 5)
	if _, err := io.ReadFull(b, buf); err != nil || string(buf) != "first" {
		t.Errorf("%q, %v", buf, err)
	}
	_ = a.Close()
}

// TestSilent: an end that stops saying anything is noticed, though its stream
// stays open.
func TestSilent(t *testing.T) {
	a, b := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, b) }()
	c := New(a, 100*time.Millisecond)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrSilent) {
		t.Errorf("%v", err)
	}
	<-c.Done()
	if _, err := c.Write([]byte("x")); !errors.Is(err, ErrSilent) {
		t.Errorf("%v", err)
	}
	// One that takes nothing and says nothing is noticed as well.
	a, _ = net.Pipe()
	c = New(a, 100*time.Millisecond)
	for {
		if _, err := c.Write(make([]byte, MaxFrame)); err != nil {
			if !errors.Is(err, ErrSilent) {
				t.Errorf("%v", err)
			}
			break
		}
	}
}

func TestForeign(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", io.EOF}, {Hello, io.EOF}, {Hello + "\x00\x00\x00\x00", io.EOF},
		{"Welcome to the server\n", ErrForeign}, {"stop", ErrForeign}, {Hello + "\x80\x01", ErrForeign}, {Hello + "\xff\xff", ErrForeign},
		{Hello + "\x00", io.ErrUnexpectedEOF}, {Hello + "\x00\x02a", io.ErrUnexpectedEOF}, {Hello + "\x00\x02", io.ErrUnexpectedEOF},
	} {
		err := receive(bufio.NewReader(strings.NewReader(c.in)), func([]byte) error { return nil })
		if !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.in, err, c.want)
		}
	}
}

// FuzzReceive: whatever the other end sends, frames are taken or refused.
func FuzzReceive(f *testing.F) {
	for _, s := range []string{"", Hello, Hello + "\x00\x03abc\x00\x00\x00\x01d", Hello + "\x80\x00", "HTTP/1.1 200 OK\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var got []byte
		err := receive(bufio.NewReader(bytes.NewReader(in)), func(p []byte) error {
			if len(p) == 0 || len(p) > MaxFrame {
				t.Fatalf("a frame of %d bytes", len(p))
			}
			got = append(got, p...)
			return nil
		})
		if err == nil {
			t.Fatal("it never ends")
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrForeign) {
			t.Fatalf("%v", err)
		}
		if len(got) > 0 && (!bytes.HasPrefix(in, []byte(Hello)) || len(got) > len(in)) {
			t.Fatalf("%d bytes of %d", len(got), len(in))
		}
	})
}

func BenchmarkThrough(b *testing.B) {
	x, y := pair(Limit)
	defer func() { _ = x.Close() }()
	go func() { _, _ = io.Copy(io.Discard, y) }()
	block := make([]byte, 256<<10)
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		if _, err := x.Write(block); err != nil {
			b.Fatal(err)
		}
	}
}
