package view

import (
	"strings"
)

// leastCell is how narrow a column may become.
const leastCell = 6

// column says how a column is laid out.
type column int

const (
	loose   column = iota // it may become narrow
	keep                  // it stays as wide as what is in it
	numeric               // keep, with the text at the right
)

// table prints rows of clean texts in columns that fit. What does not fit into
// a cell goes on below it. Columns without a word on them are loose.
func (v *View) table(left string, rows [][]string, kinds []column) {
	for _, l := range columnsOf(rows, v.width-cells(left), kinds) {
		v.line("%s", left+l)
	}
}

// columnsOf lays rows out within so many columns.
func columnsOf(rows [][]string, most int, kinds []column) []string {
	widths := widthsOf(rows)
	used := 0
	for _, w := range widths {
		if w > 0 {
			used += w + 2
		}
	}
	for used-2 > most {
		i := widest(widths, kinds)
		if i < 0 {
			i = widest(widths, nil)
		}
		if i < 0 {
			break
		}
		widths[i]--
		used--
	}
	var out []string
	for _, r := range rows {
		out = append(out, rowOf(r, widths, kinds)...)
	}
	return out
}

func kind(kinds []column, i int) column {
	if i < len(kinds) {
		return kinds[i]
	}
	return loose
}

// widest is the widest column that may become narrower; -1: none may.
func widest(widths []int, kinds []column) int {
	at := -1
	for i, w := range widths {
		if kind(kinds, i) == loose && w > leastCell && (at < 0 || w > widths[at]) {
			at = i
		}
	}
	return at
}

func widthsOf(rows [][]string) []int {
	var out []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(out) {
				out = append(out, 0)
			}
			out[i] = max(out[i], cells(c))
		}
	}
	return out
}

// rowOf is one row, as many lines high as its highest cell.
func rowOf(r []string, widths []int, kinds []column) []string {
	lines := make([][]string, len(r))
	high := 1
	for i, c := range r {
		if widths[i] > 0 {
			lines[i] = fold(c, widths[i])
		}
		high = max(high, len(lines[i]))
	}
	var out []string
	for y := range high {
		var b strings.Builder
		for i := range r {
			if widths[i] == 0 {
				continue
			}
			text := ""
			if y < len(lines[i]) {
				text = lines[i][y]
			}
			if kind(kinds, i) == numeric {
				text = flush(text, widths[i])
			}
			b.WriteString(padded(text, widths[i]) + "  ")
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}
