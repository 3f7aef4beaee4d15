package hclfile

import (
	"slices"

	"github.com/stopover/stopover/schema"
)

func (d *decoder) architecture(n *node) schema.Architecture {
	d.made(n)
	out := schema.Architecture{Name: n.label, OS: d.text(n, "os"), Removed: d.texts(n, "removed"), Pos: pos(n.defRange)}
	for k := range n.each("runtime") {
		out.Runtimes = append(out.Runtimes, schema.RuntimeOffer{Name: k.label, Versions: d.someTexts(k, "versions")})
	}
	for k := range n.each("database") {
		out.Engines = append(out.Engines, schema.EngineOffer{Name: k.label, Version: d.words(k, "version")})
		if slices.Contains(out.Removed, k.label) {
			d.wrong(k.defRange, k, "Engine both offered and removed",
				"The engine %q is in \"removed\" too, see %s. Take it out of one of them.", k.label, place(n.at("removed")))
		}
	}
	return out
}

// someTexts is texts that must not be empty.
func (d *decoder) someTexts(n *node, name string) []string {
	before := len(d.diags)
	out := d.texts(n, name)
	if n.attrs[name] != nil && len(out) == 0 && len(d.diags) == before {
		d.wrong(n.at(name), n, "Empty list", "%q needs at least one element. For example: %s", name, n.spec.Attr(name).Example)
	}
	return out
}
