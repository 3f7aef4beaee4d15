// Package layout holds the built-in layouts: where things are on a server and
// how they belong to accounts, as HCL that a user can print, copy and change. It
// holds text only; package hclfile reads it, in the same way as a layout of the
// user's own.
package layout

import (
	"embed"
	"slices"
	"strings"
)

//go:embed *.hcl
var files embed.FS

const suffix = ".hcl"

// Default is the name of the layout of servers that name none.
const Default = "debian"

// Builtin returns the source text of a built-in layout, and false if there is
// none of that name.
func Builtin(name string) (source []byte, ok bool) {
	if !slices.Contains(Names(), name) {
		return nil, false // before the file system sees it: a name may hold anything
	}
	source, err := files.ReadFile(name + suffix)
	return source, err == nil
}

// Names returns the names of the built-in layouts, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // embedded: cannot be missing
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), suffix))
	}
	slices.Sort(names)
	return names
}
