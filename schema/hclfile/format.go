package hclfile

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/stopover/stopover/schema"
)

// Format writes a configuration file the usual way: indentation, spaces, and
// "=" in columns. What the file means and its comments stay. A file whose
// syntax is wrong comes back as it is, with what is wrong: moving its tokens
// about could hide the mistake. The name is used in messages.
func Format(name string, src []byte) ([]byte, schema.Diagnostics) {
	d := newDecoder(map[string][]byte{name: src}, &source{})
	if !d.isText(name) || !d.sane(name) {
		return src, d.diagnostics()
	}
	if _, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos); diags.HasErrors() {
		d.report(diags, nil)
		return src, d.diagnostics()
	}
	return hclwrite.Format(src), nil
}
