package hclfile

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/stopover/stopover/schema"
)

// Format lays a file out anew: indentation, and equals signs below each other.
// It changes spaces and nothing else. JSON, which has other tools, stays as it
// is, and so does what is not HCL: the diagnostics say why. The name is used in
// messages.
func Format(name string, src []byte) ([]byte, schema.Diagnostics) {
	if strings.HasSuffix(name, ".json") {
		return src, nil
	}
	d := newDecoder(map[string][]byte{name: src}, &source{})
	if isValues(name) {
		d.values[name] = true
	}
	if !d.isText(name) || !d.sane(name) {
		return src, d.diagnostics()
	}
	if _, diags := d.parseFile(name); diags.HasErrors() {
		d.report(diags, nil)
		return src, d.diagnostics()
	}
	return hclwrite.Format(src), nil
}
