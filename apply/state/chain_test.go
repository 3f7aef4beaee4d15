package state

import (
	"context"
	"testing"
)

// Whatever is in a segment, reading it never panics, and what it accepts it
// accepts again with one more line.
func FuzzReadSegment(f *testing.F) {
	line, sum, err := seal("", header{Format: formatName, Version: formatVersion, Lineage: "l"})
	if err != nil {
		f.Fatal(err)
	}
	next, _, err := seal(sum, &Event{What: Noted, Text: "x"})
	if err != nil {
		f.Fatal(err)
	}
	whole := append(line, next...)
	f.Add([]byte(nil))
	f.Add(whole)
	f.Add(whole[:len(whole)-9])
	f.Add([]byte("\x00\x00"))
	f.Add([]byte(`{"format":"stopover journal"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := readSegment("x", data)
		if err != nil || s.cut || len(s.heads) == 0 {
			return
		}
		more, _, err := seal(s.heads[len(s.heads)-1], &Event{What: Noted, Text: "more"})
		if err != nil {
			t.Fatal(err)
		}
		again, err := readSegment("x", append(data, more...))
		if err != nil || len(again.events) != len(s.events)+1 {
			t.Fatalf("%d events, then %v", len(s.events), err)
		}
	})
}

// BenchmarkAppend is what the write-ahead costs: one event on disk.
func BenchmarkAppend(b *testing.B) {
	s := OpenLocal(b.TempDir(), Options{})
	defer s.Close()
	for b.Loop() {
		if err := s.Append(context.Background(), Event{What: Started, Step: "migrate.freeze[shop]@0"}); err != nil {
			b.Fatal(err)
		}
	}
}
