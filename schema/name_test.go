package schema

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestEscapeName(t *testing.T) {
	for name, want := range map[string]string{
		"shop":                   "shop",
		"Shop_1.example-x":       "Shop_1.example-x",
		"1and1":                  "1and1",
		".":                      "%2E",
		"..":                     "%2E.",
		"-rf":                    "%2Drf",
		"a/b":                    "a%2Fb",
		"*":                      "%2A",
		"x]":                     "x%5D",
		"two words":              "two%20words",
		"new\nline":              "new%0Aline",
		`quo"te'`:                "quo%22te%27",
		"é":                      "%C3%A9",
		"\xff":                   "%FF",
		"\x00":                   "%00",
		"100%":                   "100%25",
		"%41":                    "%2541",
		strings.Repeat("a", 255): strings.Repeat("a", 255),
		strings.Repeat("é", 42):  strings.Repeat("%C3%A9", 42),
	} {
		got, err := EscapeName(name)
		if err != nil || got != want {
			t.Errorf("EscapeName(%q) = %q, %v; want %q", name, got, err, want)
			continue
		}
		if back, err := UnescapeName(got); err != nil || back != name {
			t.Errorf("UnescapeName(%q) = %q, %v; want %q", got, back, err, name)
		}
	}
}

func TestEscapeNameRefuses(t *testing.T) {
	for _, name := range []string{"", strings.Repeat("a", 256), strings.Repeat("é", 43), "." + strings.Repeat("a", 253)} {
		if got, err := EscapeName(name); err == nil {
			t.Errorf("EscapeName(%.20q) = %q, want an error", name, got)
		}
	}
}

func TestUnescapeNameRefusesOtherSpellings(t *testing.T) {
	for _, escaped := range []string{
		"", ".", "..", ".a", "-a", "a/b", "a b", "é", "a*", "%", "%4", "a%4", "%41", "a%2D", "a%2E", "%2e", "%zz", "%5f", "%5F", "a\x00",
		strings.Repeat("a", 256),
	} {
		if name, err := UnescapeName(escaped); err == nil {
			t.Errorf("UnescapeName(%q) = %q, want an error", escaped, name)
		}
	}
}

func FuzzEscapeName(f *testing.F) {
	for _, s := range []string{"shop", "..", "-x", "a/b", "é\xff\x00", "%41", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		escaped, err := EscapeName(name)
		if err != nil {
			if name != "" && 3*len(name) <= MaxEscapedName {
				t.Fatalf("EscapeName(%q): %v", name, err)
			}
			return
		}
		if escaped == "" || len(escaped) > MaxEscapedName || strings.ContainsAny(escaped, "/\x00*?[]\\ \n") ||
			escaped[0] == '.' || escaped[0] == '-' || filepath.Base(escaped) != escaped {
			t.Fatalf("EscapeName(%q) = %q is not safe", name, escaped)
		}
		back, err := UnescapeName(escaped)
		if err != nil || back != name {
			t.Fatalf("UnescapeName(%q) = %q, %v; want %q", escaped, back, err, name)
		}
	})
}

func FuzzUnescapeName(f *testing.F) {
	for _, s := range []string{"shop", "%2E.", "%2Dx", "a%2Fb", "%C3%A9", "%41", "%2e", ".."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		name, err := UnescapeName(escaped)
		if err != nil {
			return
		}
		again, err := EscapeName(name)
		if err != nil || again != escaped {
			t.Fatalf("EscapeName(%q) = %q, %v; want %q: two spellings of one name", name, again, err, escaped)
		}
	})
}
