package main

import (
	"fmt"
	"io"
	"strings"
)

// outcome says in a word or two what was found.
func (r result) outcome() string {
	switch {
	case r.err != nil:
		return "ERROR"
	case !r.asExpected() && r.found == "":
		return "UNEXPECTED: no error found"
	case !r.asExpected():
		return "UNEXPECTED: " + r.found
	case r.c.kind == reach:
		return "reached"
	case r.found != "":
		return "caught: " + r.found
	case r.c.kind == redundant:
		return "survives, as listed"
	}
	return "holds"
}

// asExpected tells whether the case ended as its kind demands.
func (r result) asExpected() bool {
	switch r.c.kind {
	case reach:
		return r.found == "reached"
	case mutant:
		return r.found != "" && r.found != "reached"
	}
	return r.found == ""
}

func (r result) line() string {
	s := fmt.Sprintf("%-50s %-34s %10d states %6.1f s %6.0f MiB", r.c.name, r.outcome(), r.states, r.seconds, r.mib)
	if r.err != nil {
		s += "\n  " + r.err.Error()
	}
	return s
}

// printMarkdown writes the tables of docs/protocol-model.md.
func printMarkdown(w io.Writer, results []result) {
	fmt.Fprint(w, "### Configurations\n\n| configuration | macros | result | states | CPU s | MiB |\n|---|---|---|--:|--:|--:|\n")
	for _, r := range results {
		if r.c.kind == safe || r.c.kind == acyclic || r.c.kind == reach {
			fmt.Fprintf(w, "| %s | `%s` | %s | %d | %.1f | %.0f |\n",
				r.c.name, strings.Join(r.c.macros(), " "), r.outcome(), r.states, r.seconds, r.mib)
		}
	}
	fmt.Fprint(w, "\n### Mutants\n\n| mutant | guard taken away | configuration | result | states | CPU s |\n|---|---|---|---|--:|--:|\n")
	for _, r := range results {
		if r.c.kind == mutant {
			fmt.Fprintf(w, "| %s | %s | %s | %s | %d | %.1f |\n",
				strings.Join(r.c.mutants, " + "), r.c.note, r.c.config.name, r.outcome(), r.states, r.seconds)
		}
	}
	fmt.Fprint(w, "\n### Redundant alone\n\n| mutant | why it survives | configuration | states | CPU s |\n|---|---|---|--:|--:|\n")
	for _, r := range results {
		if r.c.kind == redundant {
			fmt.Fprintf(w, "| %s | %s | %s | %d | %.1f |\n",
				strings.Join(r.c.mutants, " + "), r.c.note, r.c.config.name, r.states, r.seconds)
		}
	}
}
