package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// inside [FILE] writes what a file holds into the world's migration block, and
// takes out what an earlier one has put there; without a file, only that.
func inside(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: inside [FILE]")
	}
	const begin, end = "  # inside\n", "  # outside\n"
	text := ts.ReadFile("main.stopover.hcl")
	if i := strings.Index(text, begin); i >= 0 {
		text = text[:i] + text[strings.Index(text, end)+len(end):]
	}
	if len(args) == 1 {
		i := strings.LastIndex(text, "}")
		text = text[:i] + begin + placed(ts, ts.ReadFile(args[0])) + end + text[i:]
	}
	write(ts, "main.stopover.hcl", text)
}

// place FILE... puts the world's address and port into files, where they say
// ADDRESS and PORT.
func place(ts *testscript.TestScript, _ bool, args []string) {
	for _, f := range args {
		write(ts, f, placed(ts, ts.ReadFile(f)))
	}
}

func placed(ts *testscript.TestScript, text string) string {
	return strings.NewReplacer("ADDRESS", ts.Getenv("ADDRESS"), "PORT", ts.Getenv("PORT")).Replace(text)
}

// replace FILE OLD NEW changes a text that a file has to hold.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	write(ts, args[0], strings.ReplaceAll(text, args[1], args[2]))
}

// narrow FILE checks that no line is wider than a terminal of 80 columns.
func narrow(ts *testscript.TestScript, _ bool, args []string) {
	for _, f := range args {
		for i, line := range strings.Split(ts.ReadFile(f), "\n") {
			if n := len([]rune(line)); n > 80 {
				ts.Fatalf("%s:%d has %d columns: %s", f, i+1, n, line)
			}
		}
	}
}

// nowhere TEXT checks that no file below the script's directory holds a text,
// except those that the script itself has written with it.
func nowhere(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: nowhere TEXT [FILE...]")
	}
	except := map[string]bool{}
	for _, f := range args[1:] {
		except[ts.MkAbs(f)] = true
	}
	root := ts.MkAbs(".")
	ts.Check(filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() || except[path] {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(b), args[0]) {
			err = fmt.Errorf("%s holds %q", path, args[0])
		}
		return err
	}))
}
