package main

import (
	"slices"
	"strings"
)

// A kind says what a case must find.
type kind int

const (
	safe      kind = iota // no error
	acyclic               // no cycle at all: recovery comes to an end
	reach                 // its assertion is reached
	mutant                // some error
	redundant             // no error, for the reason noted
)

// A configuration is a bounded world: the macros of ownership.pml.
type configuration struct {
	name   string
	macros string
}

// A testCase is one search.
type testCase struct {
	name    string
	kind    kind
	config  configuration
	mutants []string // names without MUT_
	extra   string   // further macros
	note    string
	quick   bool
	heavy   bool // worth the optimiser
}

func (t testCase) macros() []string {
	m := strings.Fields(t.config.macros + " " + t.extra)
	for _, name := range t.mutants {
		m = append(m, "MUT_"+name)
	}
	return m
}

// choose keeps the cases asked for.
func choose(cases []testCase, quick bool, only string) []testCase {
	var kept []testCase
	for _, c := range cases {
		named := slices.ContainsFunc(strings.Split(only, ","), func(word string) bool { return strings.Contains(c.name, word) })
		if named && (!quick || c.quick) {
			kept = append(kept, c)
		}
	}
	return kept
}

// table lists every case: configurations, reachability, mutants.
func table() []testCase {
	var all []testCase
	for _, c := range configurations {
		all = append(all, testCase{name: c.name, kind: safe, config: c, quick: slices.Contains(quickOnes, c.name), heavy: slices.Contains(heavyOnes, c.name)})
	}
	all = append(all, testCase{name: "acyclic", kind: acyclic, config: find("cycles"), quick: true})
	for _, r := range reachable {
		all = append(all, testCase{name: "reach " + r.name, kind: reach, config: find(r.config), extra: "REACH_" + r.name, quick: true})
	}
	for _, c := range parts {
		all = append(all, testCase{name: "part " + c.name, kind: safe, config: c})
	}
	for _, m := range mutants {
		names := strings.Fields(m.names)
		prefix := "mutant "
		if m.kind == redundant {
			prefix = "redundant "
		}
		all = append(all, testCase{
			name: prefix + strings.Join(names, "+") + " in " + m.config, kind: m.kind, config: find(m.config), mutants: names,
			note: m.note, quick: slices.Contains(quickOnes, m.names),
		})
	}
	return all
}

// find returns the configuration of a name; small ones, made for one mutant,
// are parts of the larger ones.
func find(name string) configuration {
	for _, list := range [][]configuration{configurations, parts} {
		for _, c := range list {
			if c.name == name {
				return c
			}
		}
	}
	panic("no configuration is called " + name)
}
