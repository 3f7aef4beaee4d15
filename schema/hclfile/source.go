package hclfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	slash "path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// maxNames is how many files fileset lists at most.
const maxNames = 100000

// source is where functions such as file read: the directory of the
// configuration and what is below it, or files that are in memory.
type source struct {
	root   *os.Root // nil: memory only
	memory map[string][]byte
	read   map[string][]byte // what was read before: the same file is the same bytes in one run
}

// clean turns a path as users write it into one below the directory.
func clean(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("the path is empty")
	case strings.ContainsRune(name, 0):
		return "", fmt.Errorf("%q is not a path", name)
	case filepath.IsAbs(name):
		return "", fmt.Errorf("%s leaves the directory of the configuration. Only files below it can be read; write the path relative to it", shownPath(name))
	}
	out := slash.Clean(filepath.ToSlash(name))
	if out == ".." || strings.HasPrefix(out, "../") {
		return "", fmt.Errorf("%s leaves the directory of the configuration. Only files below it can be read", shownPath(name))
	}
	return out, nil
}

func (s *source) file(name string) ([]byte, error) {
	at, err := clean(name)
	if err != nil {
		return nil, err
	}
	if src, ok := s.read[at]; ok {
		return src, nil
	}
	src, err := s.open(at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shownPath(name), err)
	}
	if s.read == nil {
		s.read = map[string][]byte{}
	}
	s.read[at] = src
	return src, nil
}

func (s *source) open(at string) ([]byte, error) {
	if src, ok := s.memory[at]; ok {
		return src, nil
	}
	if s.root == nil {
		return nil, fs.ErrNotExist
	}
	info, err := s.root.Stat(at) // before it is opened: a named pipe would wait for ever
	switch {
	case err != nil:
		return nil, escape(err)
	case info.IsDir():
		return nil, errors.New("is a directory")
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	}
	f, err := s.root.Open(at)
	if err != nil {
		return nil, escape(err)
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

// escape says in words what os.Root says of a symbolic link that leads out.
func escape(err error) error {
	err = reason(err)
	if strings.Contains(err.Error(), "escapes") {
		return errors.New("a symbolic link on the way leaves the directory of the configuration. Only files below it can be read")
	}
	return err
}

// glob lists the regular files below a directory whose path from there matches
// a pattern, sorted.
func (s *source) glob(dir, pattern string) ([]string, error) {
	at, err := clean(dir)
	if err != nil {
		return nil, err
	}
	if !doublestar.ValidatePattern(pattern) {
		return nil, fmt.Errorf("%q is not a pattern", pattern)
	}
	if _, err := clean(pattern); err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for name := range s.memory {
		rest, ok := strings.CutPrefix(slash.Clean(name), at+"/")
		if at == "." {
			rest, ok = slash.Clean(name), true
		}
		if ok && doublestar.MatchUnvalidated(pattern, rest) {
			found[rest] = true
		}
	}
	if s.root != nil {
		if info, err := s.root.Stat(at); err != nil {
			return nil, fmt.Errorf("%s: %w", shownPath(dir), escape(err))
		} else if !info.IsDir() {
			return nil, fmt.Errorf("%s is not a directory", shownPath(dir))
		}
		sub, err := fs.Sub(s.root.FS(), at)
		if err != nil {
			return nil, reason(err)
		}
		names, err := doublestar.Glob(sub, pattern, doublestar.WithFilesOnly(), doublestar.WithNoFollow())
		if err != nil {
			return nil, escape(err)
		}
		for _, name := range names {
			info, err := s.root.Stat(slash.Join(at, name)) // links that lead out are no files
			if err == nil && info.Mode().IsRegular() {
				found[name] = true
			}
		}
	}
	if len(found) > maxNames {
		return nil, fmt.Errorf("more than %d files match", maxNames)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// shownPath writes a path that came from a configuration in a sentence.
func shownPath(name string) string { return fmt.Sprintf("%q", name) }
