package hclfile

import (
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
)

func isJSON(name string) bool { return strings.HasSuffix(name, ".json") }

// parseFile reads the syntax of a file: HCL, or the same language as JSON.
func (d *decoder) parseFile(name string) (hcl.Body, hcl.Diagnostics) {
	if isJSON(name) {
		file, diags := hcljson.Parse(d.files[name], name)
		if diags.HasErrors() || file == nil {
			return nil, diags
		}
		return file.Body, diags
	}
	file, diags := hclsyntax.ParseConfig(d.files[name], name, hcl.InitialPos)
	if file == nil {
		return nil, diags
	}
	return file.Body, diags
}

// reportJSON is reportShape for bodies in JSON, which do not tell arguments
// from blocks.
func (d *decoder) reportJSON(diags hcl.Diagnostics, n *node, table *Block) {
	for i, x := range diags {
		if i > 0 && x.Subject != nil && diags[i-1].Subject != nil && *x.Subject == *diags[i-1].Subject {
			continue // says what follows from the one before
		}
		if x.Summary != "Extraneous JSON object property" || x.Subject == nil {
			n.unread = true
			d.report(hcl.Diagnostics{x}, n)
			continue
		}
		var name string
		if json.Unmarshal(x.Subject.SliceBytes(d.files[x.Subject.Filename]), &name) != nil {
			d.report(hcl.Diagnostics{x}, n)
			continue
		}
		what := "argument"
		if len(table.Attrs) == 0 || nearest(name, attrNames(table)) == "" && nearest(name, blockNames(table)) != "" {
			what = "block"
		}
		d.unknown(*x.Subject, n, table, what, name)
	}
}
