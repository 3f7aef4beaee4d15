package hclfile

import (
	"fmt"
	"strings"
)

// known is a sentence about a name that does not exist: the one that was
// probably meant, or else all there are.
func known(given string, names []string, all string) string {
	if near := nearest(given, names); near != "" {
		return fmt.Sprintf("Did you mean %q?", near)
	}
	return all
}

// nearest returns the name that is fewest edits away from the given one, if
// these are few for its length.
func nearest(given string, names []string) string {
	const tooLong = 100
	best, found := len([]rune(given))/3+1, ""
	if best > 3 {
		best = 3
	}
	if len(given) > tooLong {
		return ""
	}
	for _, name := range names {
		if name == given || len(name) > tooLong {
			continue
		}
		if strings.EqualFold(name, given) {
			return name
		}
		if n := edits(given, name); n < best || n == best && found == "" {
			best, found = n, name
		}
	}
	return found
}

// edits counts the insertions, deletions, changes and swaps of neighbours that
// make one word of another.
func edits(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// quoted lists names for a sentence: "a", "b" and "c".
func quoted(names []string, join string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return listed(out, join)
}

func listed(words []string, join string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + join + " " + words[last]
}
