package hclfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stopover/stopover/schema/hclfile"
)

// TestConfined: file functions read nothing outside of the directory, whatever
// leads there.
func TestConfined(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret.txt"), "hunter2")
	dir := t.TempDir()
	for _, sub := range []string{"sub", "sub/deep"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "sub", "in.txt"), "inside")
	write(t, filepath.Join(dir, "sub", "deep", "in.txt"), "inside")
	for link, to := range map[string]string{
		"away.txt": filepath.Join(outside, "secret.txt"), "updir": "..", "sub/away": outside, "loop": "loop",
		"good.txt": "sub/in.txt", "sub/up.txt": "../../" + filepath.Base(outside) + "/secret.txt",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "large"), "")
	if err := os.Truncate(filepath.Join(dir, "large"), 64<<20+1); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "bytes"), "\xff\xfe")
	for expr, want := range map[string]string{
		`file("away.txt")`:                    "a symbolic link on the way leaves the directory of the configuration",
		`file("sub/away/secret.txt")`:         "a symbolic link on the way leaves the directory of the configuration",
		`file("sub/up.txt")`:                  "a symbolic link on the way leaves the directory of the configuration",
		`file("updir/x")`:                     "a symbolic link on the way leaves the directory of the configuration",
		`filebase64("away.txt")`:              "a symbolic link on the way leaves the directory of the configuration",
		`templatefile("away.txt", {})`:        "a symbolic link on the way leaves the directory of the configuration",
		`file("loop")`:                        "too many levels of symbolic links",
		`file("` + outside + `/secret.txt")`:  "leaves the directory of the configuration",
		`file("sub/../../x")`:                 "leaves the directory of the configuration",
		`file("pipe")`:                        "is not a regular file",
		`file("sub")`:                         "is a directory",
		`file("large")`:                       "is larger than 64 MiB",
		`file("bytes")`:                       "is not UTF-8",
		`file("good.txt")`:                    "",
		`join(" ", fileset(".", "**/*.txt"))`: "",
		`fileset("sub/away", "*")`:            "leaves the directory of the configuration",
		`fileset("nothing", "*")`:             "no such file or directory",
		`fileset("good.txt", "*")`:            "is not a directory",
		`tostring(fileexists("away.txt"))`:    "",
	} {
		write(t, filepath.Join(dir, "x.stopover.hcl"), strings.Replace(small, "account \"shop\" {", "account \"shop\" {\n contact = "+expr, 1))
		cfg, diags := hclfile.Parse(dir, hclfile.Options{})
		switch {
		case want != "" && (cfg != nil || !strings.Contains(text(diags), want)):
			t.Errorf("%s: got\n%swant %s", expr, text(diags), want)
		case want == "" && cfg == nil:
			t.Errorf("%s:\n%s", expr, text(diags))
		case cfg != nil:
			got := cfg.Migration.Accounts[0].Contact
			if strings.Contains(got, "secret") || strings.Contains(got, "hunter2") {
				t.Errorf("%s reads %q", expr, got)
			}
			if strings.HasPrefix(expr, "join") && got != "good.txt sub/deep/in.txt sub/in.txt" {
				t.Errorf("%s lists %q", expr, got)
			}
			if strings.HasPrefix(expr, "tostring") && got != "false" {
				t.Errorf("%s is %s", expr, got)
			}
		}
		if strings.Contains(text(diags), "hunter2") {
			t.Errorf("%s says what is outside:\n%s", expr, text(diags))
		}
	}
}
