//go:build linux

package testbed

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestAptSources(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"sources.list": "# deb http://no.example/debian bookworm main\n" +
			"deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # near\n" +
			"deb-src http://mirror.example/debian bookworm main\ndeb cdrom:[Debian]/ bookworm main\ndeb ] [ broken\n",
		"sources.list.d/a.sources": "Types: deb deb-src\n# a comment: with a colon\nURIs: https://one.example/d https://two.example/d\nSuites: bookworm-security\nComponents: main\n\n" +
			"Enabled: no\nTypes: deb\nURIs: http://off.example/d\nSuites: bookworm\nComponents: main\n",
		"sources.list.d/b.list.save": "deb http://old.example/debian bookworm main\n",
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []aptSource{
		{"http://mirror.example/debian", []string{"bookworm"}, []string{"main", "contrib"}},
		{"https://one.example/d", []string{"bookworm-security"}, []string{"main"}},
		{"https://two.example/d", []string{"bookworm-security"}, []string{"main"}},
	}
	if got := aptSources(dir); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestSourcesOfARoot(t *testing.T) {
	got := mirror{main: "http://m.example/debian", security: "http://m.example/security"}.sources("trixie")
	want := "deb http://m.example/debian trixie main\ndeb http://m.example/debian trixie-updates main\ndeb http://m.example/security trixie-security main\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRootNamesDependOnTheRelease(t *testing.T) {
	if a, b := rootDir("bookworm"), rootDir("trixie"); filepath.Base(a)[len("bookworm-"):] == filepath.Base(b)[len("trixie-"):] {
		t.Errorf("%s and %s have one key", a, b)
	}
}
