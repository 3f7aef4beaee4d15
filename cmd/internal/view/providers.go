package view

import (
	"github.com/stopover/stopover/providers"
)

// Providers lists kinds of servers with their options.
func (v *View) Providers(kinds []providers.Kind) {
	if v.json {
		v.document(map[string]any{"format_version": "1.0", "providers": kindsForPrograms(kinds)})
		return
	}
	for i, k := range kinds {
		if i > 0 {
			v.line("")
		}
		v.line("%s", v.style.bold(k.Name))
		v.line("  %s", wrap(k.Doc, 80, "  "))
		for _, o := range k.Options {
			v.option(o)
		}
	}
}

// option is one option of a kind: name, type and default in one row, what it
// means below.
func (v *View) option(o providers.Option) {
	about := o.Type
	switch {
	case o.Required:
		about += ", required"
	case o.Default != "":
		about += ", default " + o.Default
	}
	v.line("\n  %s  %s", padded(o.Name, 16), v.style.faint(about))
	v.line("      %s", wrap(o.Doc, 80, "      "))
	if o.Example != "" {
		v.line("      %s", v.style.faint("for example "+o.Example))
	}
}

type kindDocument struct {
	Name    string           `json:"name"`
	Doc     string           `json:"doc"`
	Options []optionDocument `json:"options"`
}

type optionDocument struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Doc      string `json:"doc"`
	Default  string `json:"default,omitempty"`
	Required bool   `json:"required"`
	Example  string `json:"example,omitempty"`
}

func kindsForPrograms(kinds []providers.Kind) []kindDocument {
	out := []kindDocument{}
	for _, k := range kinds {
		d := kindDocument{Name: k.Name, Doc: k.Doc, Options: []optionDocument{}}
		for _, o := range k.Options {
			d.Options = append(d.Options, optionDocument{Name: o.Name, Type: o.Type, Doc: o.Doc, Default: o.Default, Required: o.Required, Example: o.Example})
		}
		out = append(out, d)
	}
	return out
}
