package local

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/agent/files"
)

// Links through links, each down a deep directory and up again, are not followed
// for minutes: the list is said to be incomplete.
func TestLinksThatTakeLong(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, strings.Repeat("d/", 700)), 0o755); err != nil {
		t.Fatal(err)
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		link(strings.Repeat("d/", 700)+strings.Repeat("../", 700)+"l"+strconv.Itoa(i+1), "l"+strconv.Itoa(i))
	}
	for i := range 200 {
		link("l0", "k"+strconv.Itoa(i))
	}
	link("/etc/passwd", "a")
	l, _, err := files.Scan(t.Context(), home, files.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out, more := linksOut(l)
	if len(out) != 1 || out[0].Path != "a" || !more {
		t.Errorf("%v %v", out, more)
	}
}

// Many short links are all followed.
func TestLinksThatAreMany(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		if err := os.Symlink("../d/./././././././../x", filepath.Join(home, "d", strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	l, _, err := files.Scan(t.Context(), home, files.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if out, more := linksOut(l); len(out) != 0 || more {
		t.Errorf("%d %v", len(out), more)
	}
}
