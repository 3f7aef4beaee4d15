package hclfile

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNearest(t *testing.T) {
	names := []string{"source", "transit", "process", "archive", "elsewhere"}
	for given, want := range map[string]string{
		"sorce":                  "source",
		"osurce":                 "source", // neighbours swapped
		"SOURCE":                 "source",
		"tranist":                "transit",
		"proces":                 "process",
		"elsewere":               "elsewhere",
		"mars":                   "",
		"x":                      "",
		"":                       "",
		"source":                 "", // is there: nothing to suggest
		strings.Repeat("s", 200): "",
	} {
		if got := nearest(given, names); got != want {
			t.Errorf("nearest(%.20q) = %q, want %q", given, got, want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"ab", "ba", 1}, {"abc", "axc", 1},
		{"kitten", "sitting", 3}, {"é", "e", 1}, {"ca", "abc", 3},
	} {
		if got := edits(c.a, c.b); got != c.want {
			t.Errorf("edits(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := edits(c.b, c.a); got != c.want {
			t.Errorf("edits(%q, %q) = %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for want, words := range map[string][]string{
		"": nil, `"a"`: {"a"}, `"a" or "b"`: {"a", "b"}, `"a", "b" or "c"`: {"a", "b", "c"},
	} {
		if got := quoted(words, "or"); got != want {
			t.Errorf("quoted(%q) = %s, want %s", words, got, want)
		}
	}
}

func TestRequirement(t *testing.T) {
	for _, c := range []struct {
		requirement string
		yes, no     []string
	}{
		{">= 0.1", []string{"0.1.0", "0.1", "1.0.0", "v2.3.4"}, []string{"0.0.9"}},
		{"> 1.2", []string{"1.2.1", "2.0.0"}, []string{"1.2.0", "1.1.9"}},
		{"<= 1.2", []string{"1.2.0", "0.9.0"}, []string{"1.2.1"}},
		{"< 2", []string{"1.99.99"}, []string{"2.0.0"}},
		{"1.2.3", []string{"1.2.3", "1.2.3+build", "1.2.3-rc1"}, []string{"1.2.4"}},
		{"= 1.2", []string{"1.2.0"}, []string{"1.2.1"}},
		{"!= 1.2.3", []string{"1.2.4"}, []string{"1.2.3"}},
		{"~> 1.2.3", []string{"1.2.3", "1.2.9"}, []string{"1.3.0", "1.2.2"}},
		{"~> 1.2", []string{"1.2.0", "1.9.0"}, []string{"2.0.0", "1.1.0"}},
		{"~> 1", []string{"1.0.0", "1.9.9"}, []string{"2.0.0", "0.9.0"}},
		{">= 0.1, < 0.3, != 0.2.5", []string{"0.1.0", "0.2.4"}, []string{"0.3.0", "0.2.5", "0.0.1"}},
	} {
		r, err := parseRequirement(c.requirement)
		if err != nil {
			t.Errorf("%q: %v", c.requirement, err)
			continue
		}
		for _, set := range []struct {
			versions []string
			want     bool
		}{{c.yes, true}, {c.no, false}} {
			for _, s := range set.versions {
				v, ok := parseVersion(s)
				if !ok {
					t.Errorf("%q is no version", s)
				}
				if r.allow(v) != set.want {
					t.Errorf("%q allows %s: %v, want %v", c.requirement, s, !set.want, set.want)
				}
			}
		}
	}
	for _, s := range []string{"", ">=", "about 1", ">= 1,", "=> 1", "1.2.3.4", "> 1 < 2", "99999999999"} {
		if _, err := parseRequirement(s); err == nil {
			t.Errorf("%q is taken for a requirement", s)
		}
	}
	for _, s := range []string{"", "dev", "1.x", "1..2", "-1", "(devel)"} {
		if _, ok := parseVersion(s); ok {
			t.Errorf("%q is taken for a version", s)
		}
	}
}

func TestSnippet(t *testing.T) {
	for _, c := range []struct {
		src  string
		at   int
		want string
	}{
		{"one\ntwo\nthree", 5, "two"},
		{"one\ntwo\nthree", 3, "one"}, // the end of a line belongs to it
		{"one\ntwo\nthree", 13, "three"},
		{"one\r\ntwo", 0, "one"},
		{"", 0, ""},
		{"x", 5, ""},
		{"x", -1, ""},
		{"\tred \x1b[31m", 0, "\tred \uFFFD[31m"},
		{"caf\xe9", 0, "caf\uFFFD"},
	} {
		if got := snippet([]byte(c.src), c.at); got != c.want {
			t.Errorf("snippet(%q, %d) = %q, want %q", c.src, c.at, got, c.want)
		}
	}
	long := []byte(strings.Repeat("é", 5000) + "HERE" + strings.Repeat("é", 5000))
	got := snippet(long, bytes.Index(long, []byte("HERE")))
	if len(got) > maxSnippet+16 || !strings.Contains(got, "HERE") || !strings.HasPrefix(got, "…") || !strings.HasSuffix(got, "…") || !utf8.ValidString(got) {
		t.Errorf("snippet of a long line: %d bytes, %q", len(got), got)
	}
}

func TestPath(t *testing.T) {
	for name, want := range map[string]string{
		"a/b.stopover.hcl": "a/b.stopover.hcl",
		"a b":              "a b",
		"a\nb":             `"a\nb"`,
		"\x1b[2J":          `"\x1b[2J"`,
		"\xff":             `"\xff"`,
	} {
		if got := path(name); got != want {
			t.Errorf("path(%q) = %s, want %s", name, got, want)
		}
	}
}
