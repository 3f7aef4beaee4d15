package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// TestErrorsKeepIdentity: what an error is, and what it says, survives the wire.
func TestErrorsKeepIdentity(t *testing.T) {
	r := newRig(t)
	c := r.client(t)
	known := []error{providers.ErrTemporary, providers.ErrSuperseded, providers.ErrRefused, providers.ErrAbsent, providers.ErrUnreachable,
		context.Canceled, context.DeadlineExceeded}
	for _, err := range []error{
		providers.ErrTemporary, providers.ErrSuperseded, providers.ErrAbsent, providers.ErrUnreachable,
		fmt.Errorf("freeze %q: %w", "caf\u00e9\n-x", providers.ErrRefused),
		fmt.Errorf("two: %w and %w", providers.ErrTemporary, providers.ErrUnreachable),
		errors.Join(providers.ErrRefused, providers.ErrSuperseded),
		fmt.Errorf("read: %w", context.Canceled), fmt.Errorf("read: %w", context.DeadlineExceeded),
		errors.New("disk: no space left on device"), errors.New(""),
	} {
		r.host.fail(err)
		_, got := c.Survey(t.Context(), providers.SurveyOptions{})
		if got == nil {
			t.Fatalf("%v: no error arrived", err)
		}
		if got.Error() != err.Error() {
			t.Errorf("%q arrived as %q", err, got)
		}
		for _, k := range known {
			if errors.Is(err, k) != errors.Is(got, k) {
				t.Errorf("%q: is %q: %v here, %v there", err, k, errors.Is(err, k), errors.Is(got, k))
			}
		}
	}
	r.host.fail(nil)
	if _, err := c.Survey(t.Context(), providers.SurveyOptions{}); err != nil {
		t.Error(err)
	}
}

// TestErrorsOfStreams: the same for the calls that are streams.
func TestErrorsOfStreams(t *testing.T) {
	r := newRig(t)
	c := r.client(t)
	claimed, err := c.Claim(t.Context(), providers.ClaimRequest{Migration: "m", Nonce: "n", Name: "m", Holder: "h"})
	if err != nil {
		t.Fatal(err)
	}
	pull := func(term uint64, account string) error {
		_, err := c.Pull(t.Context(), providers.PullRequest{Origin: providers.Origin{Account: account}, Term: term, Part: PartFiles, Pass: providers.PassBulk}, nil)
		return err
	}
	if err := pull(claimed.Term, "shop"); !errors.Is(err, providers.ErrRefused) {
		t.Errorf("a pull over an account that lives here: %v", err)
	}
	if err := pull(claimed.Term+1, "shop"); err == nil {
		t.Error("a pull under a term that nobody has")
	}
	if _, err := c.Claim(t.Context(), providers.ClaimRequest{Migration: "m", Nonce: "n2", Name: "m", Holder: "ann@laptop"}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Claim(t.Context(), providers.ClaimRequest{Migration: "m", Nonce: "n", Name: "m", Holder: "h"})
	if !errors.Is(err, providers.ErrSuperseded) {
		t.Fatalf("a nonce that lost: %v", err)
	}
	holds(t, err.Error(), "ann@laptop")
}

// TestUnreachable: a connection that cannot be made, or breaks, is unreachable.
func TestUnreachable(t *testing.T) {
	r := newRig(t)
	c := r.client(t)
	if _, err := c.Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.listener.Close(); err != nil {
		t.Fatal(err)
	}
	r.agent.Stop()
	if _, err := c.Identity(t.Context()); !errors.Is(err, providers.ErrUnreachable) {
		t.Errorf("an agent that is gone: %v", err)
	}
}

// TestPanic: one call's fault is that call's error.
func TestPanic(t *testing.T) {
	r := newRig(t)
	c := r.client(t)
	claimed, err := c.Claim(t.Context(), providers.ClaimRequest{Migration: "m", Nonce: "n", Name: "m", Holder: "h"})
	if err != nil {
		t.Fatal(err)
	}
	r.host.panics = true
	err = c.Serve(t.Context(), claimed.Term, []string{"127.0.0.1"})
	if err == nil {
		t.Fatal("no error")
	}
	holds(t, err.Error(), "fault of its own", "this account is strange")
	if _, err := c.Identity(t.Context()); err != nil {
		t.Errorf("the agent after it: %v", err)
	}
}

// TestVersion: a caller of another version is told so, whatever it calls.
func TestVersion(t *testing.T) {
	r := newRig(t)
	cc := r.raw(t)
	for _, say := range [][]string{nil, {"0"}, {"2"}, {""}, {"1", "1"}, {"1", "2"}} {
		ctx := t.Context()
		for _, v := range say {
			ctx = metadata.AppendToOutgoingContext(ctx, versionKey, v)
		}
		none, answer := []byte{0xa0}, []byte(nil)
		err := cc.Invoke(ctx, "/"+serviceName+"/Stop", &none, &answer)
		if status.Code(err) != codes.Unimplemented {
			t.Fatalf("version %q: %v", say, err)
		}
		holds(t, err.Error(), "speaks version "+Version, "same version of stopover on both ends")
		st, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/"+serviceName+"/Pull")
		if err == nil {
			err = st.RecvMsg(&answer)
		}
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("version %q, stream: %v", say, err)
		}
	}
	if n := r.host.exits.Load(); n != 0 {
		t.Errorf("a call of another version was carried out %d times", n)
	}
}

// TestMessageTooLarge: neither end takes a message above the limit.
func TestMessageTooLarge(t *testing.T) {
	r := newRig(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), versionKey, Version)
	large, answer := make([]byte, maxMessage+1), []byte(nil)
	err := r.raw(t).Invoke(ctx, "/"+serviceName+"/AddFacts", &large, &answer)
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message that is too large: %v", err)
	}
	if _, err := r.client(t).Identity(t.Context()); err != nil {
		t.Errorf("the agent after it: %v", err)
	}
}

// TestChunk: a chunk is its bytes, bounded, and not shared with the transport.
func TestChunk(t *testing.T) {
	c := newCodec()
	var got chunk
	data := bytes.Repeat([]byte("x"), maxChunk)
	if err := c.Unmarshal(data, &got); err != nil || !bytes.Equal(got.data, data) {
		t.Fatalf("a chunk of the largest size: %d bytes, %v", len(got.data), err)
	}
	data[0] = 'y'
	if got.data[0] != 'x' {
		t.Error("the chunk shares the transport's memory")
	}
	if err := c.Unmarshal(make([]byte, maxChunk+1), &got); err == nil {
		t.Error("a chunk above the limit was taken")
	}
	if b, err := c.Marshal(&chunk{[]byte{1, 2}}); err != nil || !bytes.Equal(b, []byte{1, 2}) {
		t.Errorf("a chunk is sent as %x, %v", b, err)
	}
}

// TestStreamEnds: bytes arrive as they were written, however they were cut up,
// and what follows their end is left alone.
func TestStreamEnds(t *testing.T) {
	for _, size := range []int{0, 1, maxChunk/2 - 1, maxChunk / 2, maxChunk/2 + 1, 3*maxChunk + 17} {
		for _, piece := range []int{1 << 20, 4099, maxChunk / 2} {
			l, want := &loop{}, make([]byte, size)
			for i := range want {
				want[i] = byte(i*7 + i>>9)
			}
			w := &streamWriter{st: l}
			for rest := want; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				if n, err := w.Write(rest[:min(piece, len(rest))]); err != nil || n != min(piece, len(rest)) {
					t.Fatalf("write: %d, %v", n, err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			for _, m := range l.sent {
				if len(m) > maxChunk {
					t.Errorf("a chunk of %d bytes", len(m))
				}
			}
			if err := l.SendMsg(&chunk{[]byte("the next message")}); err != nil {
				t.Fatal(err)
			}
			r := &streamReader{st: l, fail: plain}
			got, err := io.ReadAll(iotest.HalfReader(r))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes in pieces of %d: %d came, %v", size, piece, len(got), err)
			}
			if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("after the end: %d, %v", n, err)
			}
			if len(l.sent) != 1 || string(l.sent[0]) != "the next message" {
				t.Errorf("the reader took what follows: %d messages left", len(l.sent))
			}
		}
	}
}

// TestStreamCut: a stream that ends without its mark is no whole one.
func TestStreamCut(t *testing.T) {
	l := &loop{sent: [][]byte{[]byte("half")}}
	got, err := io.ReadAll(&streamReader{st: l, fail: plain})
	if string(got) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", got, err)
	}
	broken := errors.New("broken")
	r := &streamReader{st: failing{broken}, fail: func(err error) error { return fmt.Errorf("told: %w", err) }}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	w := &streamWriter{st: failing{broken}}
	if _, err := w.Write(make([]byte, maxChunk)); !errors.Is(err, broken) {
		t.Errorf("write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, broken) {
		t.Errorf("close: %v", err)
	}
}

type failing struct{ err error }

func (f failing) SendMsg(any) error { return f.err }
func (f failing) RecvMsg(any) error { return f.err }

// TestCodec: what is sent arrives, names that are not UTF-8 and nanoseconds too.
func TestCodec(t *testing.T) {
	at := time.Date(2026, 3, 29, 2, 30, 0, 123456789, time.UTC)
	for _, want := range []any{
		&schema.FoundServer{Name: "\xff\xfe", Accounts: []*schema.FoundAccount{{Name: "a/b\n\x00", Copied: []schema.CopiedPart{{Part: "mail", Epoch: 1 << 63, At: at}}}},
			Can: map[schema.Capability]bool{schema.CanOwn: true}},
		&providers.FreezeRequest{Term: ^uint64(0), Account: "..", Token: providers.Token{Term: 1, N: ^uint64(0)}, Lease: time.Hour + 1},
		&providers.Receipt{MAC: []byte{0, 255}, Digest: "sha256:x"},
		&sealRequest{Epochs: map[string]uint64{"-rf": 1, "\xff": 2}, Addresses: []string{"127.0.0.1"}},
		&pullEvent{Progress: &providers.Progress{Bytes: -1, Note: "ü"}},
	} {
		c := newCodec()
		b, err := c.Marshal(want)
		if err != nil {
			t.Fatalf("%T: %v", want, err)
		}
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
		if err := c.Unmarshal(b, got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v arrived as %+v, %v", want, got, err)
		}
	}
}

// TestHostileSizes: a few bytes that announce millions of things cost nothing.
func TestHostileSizes(t *testing.T) {
	c := newCodec()
	for name, b := range map[string][]byte{
		"array of 2^62":  {0xa1, 0x65, 'F', 'a', 'c', 't', 's', 0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0},
		"array of 2^22":  {0xa1, 0x65, 'F', 'a', 'c', 't', 's', 0x9a, 0, 0x40, 0, 0},
		"map of 2^20":    {0xba, 0, 0x10, 0, 0},
		"string of 2^40": {0xa1, 0x65, 'F', 'a', 'c', 't', 's', 0x7b, 0, 0, 1, 0, 0, 0, 0, 0},
		"no end":         {0xbf, 0x65, 'F', 'a', 'c', 't', 's', 0x9f},
		"very deep":      bytes.Repeat([]byte{0x81}, 100_000),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := c.Unmarshal(b, &factsMessage{}); err == nil {
			t.Errorf("%s: no error", name)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
			t.Errorf("%s: %d bytes were allocated for %d", name, n, len(b))
		}
	}
}
