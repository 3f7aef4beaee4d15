package mention

import (
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	tokens := []string{"192.0.2.1", "web1.example", "2001:db8::1"}
	for text, want := range map[string][]string{
		"host = 192.0.2.1": {"192.0.2.1"},
		"192.0.2.10 1192.0.2.1 192.0.2.1.5 7.192.0.2.1": nil,
		"'192.0.2.1:3306' http://web1.example/x":        {"192.0.2.1", "web1.example"},
		"see 192.0.2.1.":                                {"192.0.2.1"},
		"WEB1.Example, me@web1.example.":                {"web1.example", "web1.example"},
		"www.web1.example web1.example.org my-web1.example web1.example-old web1_example": nil,
		"[2001:db8::1]:80":                         {"2001:db8::1"},
		"2001:db8::11 1:2001:db8::1 2001:db8::1:2": nil,
		"\xff192.0.2.1":                            nil,
		"\n\n192.0.2.1":                            {"192.0.2.1"},
		"":                                         nil,
	} {
		var got []string
		for _, m := range Find([]byte(text), tokens) {
			got = append(got, m.What)
			if want := 1 + strings.Count(text[:strings.Index(strings.ToLower(text), m.What)], "\n"); m.Line != want {
				t.Errorf("%q: line %d, want %d", text, m.Line, want)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if n := len(Find([]byte(strings.Repeat("192.0.2.1 ", 1000)), tokens)); n != PerFile {
		t.Errorf("%d mentions of one file", n)
	}
}
