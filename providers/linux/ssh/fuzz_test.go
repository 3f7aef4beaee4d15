package ssh

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"
)

// FuzzPlain: nothing that a server says reaches a terminal as more than text.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"", "a\nb", "\x1b]0;t\x07", "\xff\xfe\u202e", "\r\r\n\n", "e\u0301"} {
		f.Add([]byte(s), 10)
	}
	f.Fuzz(func(t *testing.T, in []byte, max int) {
		if max < 0 || max > 1<<16 {
			return
		}
		out := Plain(in, max)
		if !utf8.ValidString(out) || len(out) > 6*max+64 {
			t.Fatalf("%q", out)
		}
		for _, r := range out {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q holds %q", out, r)
			}
		}
	})
}

// FuzzSeek: the mark is found wherever reads cut it, and what surrounds it is
// what was there; without one there is an end.
func FuzzSeek(f *testing.F) {
	f.Add([]byte("welcome\n"), []byte("data"), true)
	f.Add([]byte("stopover-"), []byte(""), true)
	f.Add([]byte("\x00\xff"), []byte("x"), false)
	const mark = "stopover-0123456789abcdef01234567"
	f.Fuzz(func(t *testing.T, before, after []byte, has bool) {
		if bytes.Contains(before, []byte(mark)) || bytes.Contains(after, []byte(mark)) || len(before) > maxNoise/2 {
			return
		}
		all := append(append([]byte(nil), before...), after...)
		if has {
			all = append(append(append([]byte(nil), before...), mark...), after...)
		}
		for _, r := range []io.Reader{bytes.NewReader(all), iotest.OneByteReader(bytes.NewReader(all)), iotest.DataErrReader(bytes.NewReader(all))} {
			rest, noise, err := seek(r, mark)
			if !has {
				if err == nil && !strings.Contains(string(all), mark) {
					t.Fatalf("found in %q", all)
				}
				if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, ErrShell) {
					t.Fatalf("%v", err)
				}
				continue
			}
			if err != nil || !bytes.Equal(noise, before) {
				t.Fatalf("%q, %v", noise, err)
			}
			tail, _ := io.ReadAll(r)
			if !bytes.Equal(append(rest, tail...), after) {
				t.Fatalf("%q", rest)
			}
		}
	})
}

// FuzzTail: the last bytes are kept, whatever sizes they come in.
func FuzzTail(f *testing.F) {
	f.Add([]byte("abcdefgh"), 3)
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		if step < 1 {
			return
		}
		w := &tail{max: 16}
		for rest := in; len(rest) > 0; {
			n := min(step, len(rest))
			_, _ = w.Write(rest[:n])
			rest = rest[n:]
		}
		if want := in[max(0, len(in)-16):]; !bytes.Equal(w.bytes(), want) {
			t.Fatalf("%q, want %q", w.bytes(), want)
		}
	})
}

// FuzzHear: the password is written once at most, and only after the prompt
// was seen whole.
func FuzzHear(f *testing.F) {
	f.Add([]byte("lecture\nPROMPT"), 4)
	f.Add([]byte("PROMPTSorry, try again.\nPROMPT"), 3)
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		if step < 1 {
			return
		}
		var stdin sink
		p := &process{stdin: &stdin, stderr: &tail{max: maxTail}}
		r := &rise{secret: "secret", prompt: "PROMPT"}
		for rest := in; len(rest) > 0; {
			n := min(step, len(rest))
			r.hear(p, rest[:n])
			rest = rest[n:]
		}
		want := ""
		if bytes.Contains(in, []byte("PROMPT")) {
			want = "secret\n"
		}
		if stdin.String() != want {
			t.Fatalf("%q was written, want %q", stdin.String(), want)
		}
	})
}

type sink struct{ bytes.Buffer }

func (*sink) Close() error { return nil }
