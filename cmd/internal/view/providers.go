package view

import (
	"github.com/stopover/stopover/providers"
)

// ProvidersDocument is what providers gives to programs.
type ProvidersDocument struct {
	FormatVersion string             `json:"format_version"`
	Providers     []ProviderDocument `json:"providers"`
}

// ProviderDocument is one kind of server.
type ProviderDocument struct {
	Name    string           `json:"name"`
	Doc     string           `json:"doc"`
	Options []OptionDocument `json:"options"`
}

// OptionDocument is one option that servers of a kind may have.
type OptionDocument struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // string | number | bool | duration | bytes | layout
	Doc      string `json:"doc"`
	Default  string `json:"default,omitempty"`
	Required bool   `json:"required"`
	Secret   bool   `json:"secret,omitempty"` // the configuration holds a reference to it
	Example  string `json:"example,omitempty"`
}

// Providers lists kinds of servers with their options.
func (v *View) Providers(kinds []providers.Kind) {
	doc := ProvidersDocument{FormatVersion: FormatVersion, Providers: []ProviderDocument{}}
	for _, k := range kinds {
		p := ProviderDocument{Name: k.Name, Doc: k.Doc, Options: []OptionDocument{}}
		for _, o := range k.Options {
			p.Options = append(p.Options, OptionDocument{Name: o.Name, Type: o.Type, Doc: o.Doc, Default: o.Default, Required: o.Required, Secret: o.Secret, Example: o.Example})
		}
		doc.Providers = append(doc.Providers, p)
	}
	if v.give(doc) {
		return
	}
	for i := range doc.Providers {
		p := &doc.Providers[i]
		if i > 0 {
			v.gap()
		}
		v.item("", "", nil, p.Name, v.style.bold)
		v.item("  ", "", nil, p.Doc, nil)
		v.line("")
		wide := 0
		for _, o := range p.Options {
			wide = max(wide, cells(o.Name))
		}
		for _, o := range p.Options {
			v.option(o, wide)
		}
	}
}

// option is one option: name, type and default in one row, what it means below.
func (v *View) option(o OptionDocument, wide int) {
	about := o.Type
	if o.Secret {
		about += ", secret"
	}
	switch {
	case o.Required:
		about += ", required"
	case o.Default != "":
		about += ", default " + o.Default
	}
	v.item("  ", padded(o.Name, wide), v.style.bold, about, v.style.faint)
	v.item("      ", "", nil, o.Doc, nil)
	if o.Example == "" && o.Secret {
		o.Example = `env("NAME")`
	}
	if o.Example != "" {
		v.item("      ", "", nil, "for example "+o.Name+" = "+o.Example, v.style.faint)
	}
}
