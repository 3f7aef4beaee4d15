package hclfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/stopover/stopover/schema"
)

// suffix of files that belong to a configuration.
const suffix = ".stopover.hcl"

// valuesSuffix of files that hold values of variables and are read by
// themselves.
const valuesSuffix = ".auto.vars.hcl"

func isConfig(name string) bool { return strings.HasSuffix(strings.TrimSuffix(name, ".json"), suffix) }

func isValues(name string) bool {
	return strings.HasSuffix(strings.TrimSuffix(name, ".json"), valuesSuffix)
}

// maxFile is the largest file that is read, in bytes: some 100,000 accounts
// with everything said about each.
const maxFile = 64 << 20

// readDir reads the files of a directory, by path as users would write it. A
// file that cannot be read is an error, because the rest would mean something
// else without it. Names that begin with a dot are editors' files.
func readDir(dir string) (map[string][]byte, schema.Diagnostics) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, schema.Diagnostics{noDirectory(dir, err)}
	}
	files := map[string][]byte{}
	found := false
	var diags schema.Diagnostics
	for _, e := range entries {
		name := e.Name()
		if !isConfig(name) && !isValues(name) || strings.HasPrefix(name, ".") {
			continue
		}
		file := filepath.Join(dir, name)
		src, err := readFile(file)
		if err != nil {
			diags = append(diags, schema.Diagnostic{Severity: "error", Summary: "Unreadable configuration file",
				Detail: fmt.Sprintf("%s: %v. Every file whose name ends in %s belongs to the configuration; mend this one, or rename it.", path(file), err, suffix),
				Pos:    schema.Pos{File: file}})
			continue
		}
		files[file] = src
		found = found || isConfig(name)
	}
	found = found || len(diags) > 0
	if !found {
		diags = append(diags, schema.Diagnostic{Severity: "error", Summary: "No configuration",
			Detail: fmt.Sprintf("The directory %s has no file whose name ends in %s. `stopover init` writes one to begin with; or run Stopover in the directory that has it, or name that with --chdir.", shown(dir), suffix)})
	}
	return files, diags
}

func noDirectory(dir string, err error) schema.Diagnostic {
	why := reason(err).Error()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "it does not exist"
	case errors.Is(err, fs.ErrPermission):
		why = "you may not read it"
	}
	return schema.Diagnostic{Severity: "error", Summary: "Unreadable configuration directory",
		Detail: fmt.Sprintf("The directory %s cannot be read: %s. Name the directory that holds the %s files.", shown(dir), why, suffix)}
}

// readFile refuses what is not a regular file before it is opened: opening a
// named pipe would wait for ever.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, reason(err)
	}
	switch {
	case info.IsDir():
		return nil, errors.New("is a directory")
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, reason(err)
	}
	if len(src) > maxFile {
		return nil, fmt.Errorf("is larger than %d MiB", maxFile>>20)
	}
	return src, nil
}

// reason is an error without the path, which the message names already.
func reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

func shown(dir string) string {
	if dir == "" || dir == "." {
		return ". (the current one)"
	}
	return path(dir)
}

// isText reports a file that is not UTF-8, at the first byte that is wrong. hcl
// would carry such bytes into names.
func (d *decoder) isText(name string) bool {
	src := d.files[name]
	if utf8.Valid(src) {
		return true
	}
	at := 0
	for {
		r, n := utf8.DecodeRune(src[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	d.wrong(rangeAt(name, src, at), nil, "Not UTF-8",
		"The byte %#02x here is not valid UTF-8. Save the file as UTF-8. An account whose name is not UTF-8 can be picked by pattern: include = [\"caf\\\\x%02X\"].", src[at], src[at])
	return false
}

func rangeAt(name string, src []byte, at int) hcl.Range {
	line := bytes.Count(src[:at], []byte("\n")) + 1
	column := utf8.RuneCount(src[bytes.LastIndexByte(src[:at], '\n')+1:at]) + 1
	pos := hcl.Pos{Line: line, Column: column, Byte: at}
	return hcl.Range{Filename: name, Start: pos, End: pos}
}

// maxDepth is far beyond what people and programs write, and far below what
// overflows the stack of the parser.
const maxDepth = 10000

// tooDeep returns where something is nested too deeply, or -1. It looks at bytes
// and knows nothing of strings and comments; with this much of it, it need not.
func tooDeep(src []byte) int {
	depth, row, choices := 0, 0, 0
	for at, c := range src {
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(0, depth-1)
		case '!', '-':
			row++
		case '?':
			choices++
		case '\n':
			choices = 0
		case ' ', '\t', '\r':
		default:
			row = 0
		}
		if depth > maxDepth || row > maxDepth || choices > maxDepth {
			return at
		}
	}
	return -1
}

// sane refuses what would bring hcl down: nesting that overflows its stack, and
// numbers like 1e300000000, which it would compute exactly for minutes.
func (d *decoder) sane(name string) bool {
	src := d.files[name]
	if at := tooDeep(src); at >= 0 {
		d.wrong(rangeAt(name, src, at), nil, "Nested too deeply", "Brackets, braces or operators are nested more than %d times up to here. Close some, or write the configuration in smaller parts.", maxDepth)
		return false
	}
	if !longExponent(src) {
		return true
	}
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos) // only now: it costs as much as parsing
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenNumberLit && longExponent(t.Bytes) {
			d.wrong(t.Range, nil, "Number out of range", "This number is larger, or closer to zero, than any that is needed. Write a shorter exponent.")
			return false
		}
	}
	return true
}

// longExponent tells whether an "e" with four or more digits stands behind a
// digit somewhere.
func longExponent(src []byte) bool {
	const digits = "0123456789"
	for rest := src; ; {
		at := bytes.IndexAny(rest, "eE")
		if at < 0 {
			return false
		}
		behind := at > 0 && bytes.IndexByte([]byte(digits), rest[at-1]) >= 0
		rest = rest[at+1:]
		if !behind {
			continue
		}
		exponent := bytes.TrimLeft(bytes.TrimLeft(rest, "+-"), "0")
		if len(exponent)-len(bytes.TrimLeft(exponent, digits)) >= 4 {
			return true
		}
	}
}
