package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// compareTransitions checks that transitions.txt lists what is marked in the
// model, both ways.
func compareTransitions(dir string) error {
	listed, err := readTransitions(filepath.Join(dir, "transitions.txt"))
	if err != nil {
		return err
	}
	source, err := os.ReadFile(filepath.Join(dir, "ownership.pml"))
	if err != nil {
		return err
	}
	var marked []string
	for _, m := range regexp.MustCompile(`/\* T: (\w+ \w+ \w+) \*/`).FindAllSubmatch(source, -1) {
		marked = append(marked, string(m[1]))
	}
	for _, l := range listed {
		if !slices.Contains(marked, l) {
			return fmt.Errorf("transitions.txt lists %q, ownership.pml has no such mark", l)
		}
	}
	for _, m := range marked {
		if !slices.Contains(listed, m) {
			return fmt.Errorf("ownership.pml marks %q, transitions.txt does not list it", m)
		}
	}
	return nil
}

func readTransitions(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if len(strings.Fields(line)) != 3 {
			return nil, fmt.Errorf("read %s: %q is not FROM EVENT TO", path, line)
		}
		lines = append(lines, line)
	}
	return lines, s.Err()
}
