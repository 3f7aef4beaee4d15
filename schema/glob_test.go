package schema

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestGlobMatch(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"*", []string{"a", "", "a/b", ".x", "-x", "a\nb", "\xff", "*", "..", "é"}, nil},
		{"cust-*", []string{"cust-", "cust-1", "cust-*", "cust-a\nb"}, []string{"cust", "xcust-1", "Cust-1"}},
		{"*-old", []string{"-old", "a-old", "a-old-old"}, []string{"a-old2", "old"}},
		{"a*b*c", []string{"abc", "axbxc", "abbbcbc"}, []string{"ab", "acb", "abcx"}},
		{"**", []string{"", "x"}, nil},
		{"?", []string{"a", "é", "\n", "\xff", "/"}, []string{"", "ab", "e\u0301"}},
		{"*?", []string{"a", "é"}, []string{""}},
		{"[a-c]x", []string{"ax", "cx"}, []string{"dx", "x", "-x"}},
		{"[!a-c]", []string{"d", "é", "\xff", "!"}, []string{"a", "", "dd"}},
		{"[^a]", []string{"b"}, []string{"a"}},
		{"[]a]", []string{"]", "a"}, []string{"b"}},
		{"[a-]", []string{"a", "-"}, []string{"b"}},
		{`[\]\-\\x]`, []string{"]", "-", `\`, "x"}, []string{"a"}},
		{"[à-é]", []string{"é", "à"}, []string{"a", "\xc3", "ê"}},
		{"*[!é]", []string{"a", "éa"}, []string{"é", "aé"}},
		{`\*`, []string{"*"}, []string{"a", `\*`}},
		{`a\?b`, []string{"a?b"}, []string{"axb"}},
		{`\[x]`, []string{"[x]"}, []string{"x"}},
		{`\\`, []string{`\`}, []string{`\\`}},
		{`x]`, []string{"x]"}, []string{"x"}},
		{"a/b", []string{"a/b"}, []string{"a"}},
		{`\xff*`, []string{"\xff", "\xffabc"}, []string{"ÿ", ""}},
		{`caf\x65\xCC\x81`, []string{"cafe\u0301"}, []string{"café"}},
		{"a b", []string{"a b"}, []string{"a%20b"}},
	} {
		g, err := ParseGlob(c.pattern)
		if err != nil {
			t.Errorf("ParseGlob(%q): %v", c.pattern, err)
			continue
		}
		if g.String() != c.pattern {
			t.Errorf("String of %q is %q", c.pattern, g.String())
		}
		for _, name := range c.yes {
			if !g.Match(name) {
				t.Errorf("%q does not match %q", c.pattern, name)
			}
		}
		for _, name := range c.no {
			if g.Match(name) {
				t.Errorf("%q matches %q", c.pattern, name)
			}
		}
	}
	if (Glob{}).Match("") || (Glob{}).Match("a") {
		t.Error("the zero Glob matches something")
	}
}

func TestParseGlobErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		"":            `pattern is empty and would match no name`,
		`a\`:          `pattern "a\\": ends with a single backslash; write \\ for a backslash`,
		"[a":          `pattern "[a": "[" is not closed; write \[ for a bracket`,
		"[":           `pattern "[": "[" is not closed; write \[ for a bracket`,
		"[!":          `pattern "[!": "[" is not closed; write \[ for a bracket`,
		"[]":          `pattern "[]": "[" is not closed; write \[ for a bracket`,
		`[a\`:         `pattern "[a\\": "[" is not closed; write \[ for a bracket`,
		"[z-a]":       `pattern "[z-a]": range z-a runs backwards`,
		`\xf`:         `pattern "\\xf": \x needs two hexadecimal digits, as in \xFF`,
		"\\x\x10\x10": "pattern \"\\\\x\\x10\\x10\": \\x needs two hexadecimal digits, as in \\xFF",
		`\xzz`:        `pattern "\\xzz": \x needs two hexadecimal digits, as in \xFF`,
	} {
		if _, err := ParseGlob(pattern); err == nil || err.Error() != want {
			t.Errorf("ParseGlob(%q) = %v, want %s", pattern, err, want)
		}
	}
}

// slowMatch is the definition, word by word, and takes exponential time.
func slowMatch(tokens []globToken, name string) bool {
	if len(tokens) == 0 {
		return name == ""
	}
	if tokens[0].kind == '*' {
		if slowMatch(tokens[1:], name) {
			return true
		}
		if name == "" {
			return false
		}
		_, n := utf8.DecodeRuneInString(name)
		return slowMatch(tokens, name[n:])
	}
	n, ok := tokens[0].match(name)
	return ok && slowMatch(tokens[1:], name[n:])
}

func FuzzGlob(f *testing.F) {
	for _, s := range []string{"*", "a*b?c", `\*`, "[a-z]*", "[!é]*", `\xff?`, "*a*a*a*b"} {
		f.Add(s, "aab\xffé*")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 12 || len(name) > 24 {
			return
		}
		g, err := ParseGlob(pattern)
		if err != nil {
			return
		}
		if got, want := g.Match(name), slowMatch(g.tokens, name); got != want {
			t.Errorf("%q on %q: %v, want %v", pattern, name, got, want)
		}
		if literal, err := ParseGlob(QuoteGlob(pattern)); err != nil || !literal.Match(pattern) {
			t.Errorf("quoted %q does not match itself: %v", pattern, err)
		}
		if literal, err := ParseGlob(QuoteGlob(pattern)); err == nil && name != pattern && literal.Match(name) {
			t.Errorf("quoted %q matches %q", pattern, name)
		}
	})
}

func BenchmarkGlobWorstCase(b *testing.B) {
	g, err := ParseGlob(strings.Repeat("*a", 50) + "b")
	if err != nil {
		b.Fatal(err)
	}
	name := strings.Repeat("a", 1000)
	for b.Loop() {
		g.Match(name)
	}
}

func TestPicks(t *testing.T) {
	p := AccountsPattern{Include: []string{"cust-[0-9]", `\xFF*`, "[broken"}, Exclude: []string{"cust-3"}}
	for name, want := range map[string]bool{"cust-1": true, "cust-3": false, "cust-x": false, "\xff\xfe": true, "%FF": false, "[broken": false, "": false} {
		if got := p.Picks(name); got != want {
			t.Errorf("Picks(%q) is %v", name, got)
		}
	}
}
