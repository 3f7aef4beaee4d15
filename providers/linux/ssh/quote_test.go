package ssh

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// shells are login shells and how they are handed one string, as sshd does it.
var shells = []string{"sh", "bash", "dash", "zsh", "ksh", "fish", "tcsh", "csh", "rbash"}

func installed(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, s := range shells {
		if _, err := exec.LookPath(s); err == nil {
			out = append(out, s)
		} else {
			t.Logf("%s is not installed: quoting is not tried with it", s)
		}
	}
	return out
}

func through(t interface{ Fatalf(string, ...any) }, shell string, argv []string) []string {
	script, err := words(append([]string{"printf", `%s\000`}, argv...))
	if err != nil {
		t.Fatalf("words: %v", err)
	}
	line, err := wrap("exec " + script)
	if err != nil {
		t.Fatalf("wrap: %v", err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(shell, "-c", line)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v: %s: %q", shell, err, stderr.String(), line)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func TestQuoteHostile(t *testing.T) {
	argv := []string{"a b", "it's", "two\nlines\n", "tab\t", "!", "!!", "!ls", "a!b'!'", `\`, `\\`, `\n`, `\'`, `'\`, "$HOME", "$(id)", "`id`",
		"*", "~", "-n", "--", "%s", "%%", "%", `"`, `""`, "", "#", ";", "&", "|", ">", "{a,b}", "[a]", "^", "é", "日本", "\xff\xfe", "\x80", "\x1b[31m", "a=b", "=ls", "~root", strings.Repeat("x'", 2000)}
	for _, s := range installed(t) {
		got := through(t, s, argv)
		if strings.Join(got, "\x00") != strings.Join(argv, "\x00") {
			for i := range argv {
				if i < len(got) && got[i] != argv[i] {
					t.Errorf("%s: argument %q arrived as %q", s, argv[i], got[i])
				}
			}
			t.Errorf("%s: %d arguments arrived of %d", s, len(got), len(argv))
		}
	}
}

func TestQuoteAny(t *testing.T) {
	all := installed(t)
	rapid.Check(t, func(t *rapid.T) {
		var argv []string
		for _, b := range rapid.SliceOfN(rapid.SliceOfN(rapid.ByteRange(1, 255), 0, 40), 1, 6).Draw(t, "argv") {
			argv = append(argv, string(b))
		}
		shell := rapid.SampledFrom(all).Draw(t, "shell")
		if got := through(t, shell, argv); strings.Join(got, "\x00") != strings.Join(argv, "\x00") {
			t.Fatalf("%s: %q arrived as %q", shell, argv, got)
		}
	})
}

func TestQuoteRefuses(t *testing.T) {
	for _, argv := range [][]string{nil, {""}, {"-x"}, {"ls", "a\x00b"}} {
		if _, err := words(argv); err == nil {
			t.Errorf("%q was taken", argv)
		}
	}
	if _, err := wrap(strings.Repeat("!", maxScript)); err == nil {
		t.Error("a command that no server takes was made")
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\r\n":         "a / b",
		"\x1b[31mred\x07":  `\u001b[31mred\u0007`,
		"\xff":             `\xff`,
		"a\u202eb":         `a\u202eb`,
		"0123456789abcdef": "…6789abcdef",
	} {
		if got := Plain([]byte(in), 10); len(in) < 10 && got != want || len(in) > 10 && got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
