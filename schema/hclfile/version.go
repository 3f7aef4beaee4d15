package hclfile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// versionMet compares required_version with the program's version before
// anything else is looked at: what a newer version would understand must not be
// reported as a mistake. What is wrong with the requirement itself is left to
// the decoder.
func (d *decoder) versionMet(bodies []hcl.Body, version string) bool {
	have, ok := parseVersion(version)
	if !ok {
		return true
	}
	for _, body := range bodies {
		content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "stopover"}}})
		for _, b := range content.Blocks {
			inner, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "required_version"}}})
			attr := inner.Attributes["required_version"]
			if attr == nil {
				continue
			}
			v, diags := attr.Expr.Value(nil)
			if diags.HasErrors() || !v.IsWhollyKnown() || v.IsNull() || v.Type() != cty.String {
				continue
			}
			wanted, err := parseRequirement(v.AsString())
			if err != nil || wanted.allow(have) {
				continue
			}
			d.wrong(attr.Expr.Range(), nil, "Wrong version of Stopover",
				"This configuration asks for version %s, but this is %s. Run a version that it asks for, or change required_version. Nothing else was read.", v.AsString(), version)
			return false
		}
	}
	return true
}

// version is major, minor, patch; further parts do not count.
type version [3]int

func (v version) compare(w version) int {
	for i := range v {
		if v[i] != w[i] {
			return v[i] - w[i]
		}
	}
	return 0
}

// parseVersion reads 1, 1.2 or 1.2.3, with a leading "v" and a suffix such as
// "-rc1" allowed and ignored.
func parseVersion(s string) (version, bool) {
	v, _, ok := splitVersion(strings.TrimPrefix(s, "v"))
	return v, ok
}

func splitVersion(s string) (v version, parts int, ok bool) {
	s, _, _ = strings.Cut(s, "+")
	s, _, _ = strings.Cut(s, "-")
	words := strings.Split(s, ".")
	if len(words) > len(v) {
		return v, 0, false
	}
	for i, w := range words {
		n, err := strconv.ParseUint(w, 10, 31)
		if err != nil {
			return v, 0, false
		}
		v[i] = int(n)
	}
	return v, len(words), true
}

// requirement is a list of conditions that all have to hold.
type requirement []condition

type condition struct {
	op    string
	bound version
	parts int // that were written
}

// parseRequirement reads ">= 0.1, < 2".
func parseRequirement(s string) (requirement, error) {
	form := regexp.MustCompile(`^\s*(=|!=|>=|<=|>|<|~>)?\s*v?([0-9][0-9A-Za-z.+-]*)\s*$`)
	var out requirement
	for one := range strings.SplitSeq(s, ",") {
		m := form.FindStringSubmatch(one)
		if m == nil {
			return nil, fmt.Errorf("%q is not a condition on a version", strings.TrimSpace(one))
		}
		bound, parts, ok := splitVersion(m[2])
		if !ok {
			return nil, fmt.Errorf("%q is not a version", m[2])
		}
		out = append(out, condition{op: m[1], bound: bound, parts: parts})
	}
	return out, nil
}

func (r requirement) allow(v version) bool {
	for _, c := range r {
		if !c.allow(v) {
			return false
		}
	}
	return true
}

func (c condition) allow(v version) bool {
	n := v.compare(c.bound)
	switch c.op {
	case "", "=":
		return n == 0
	case "!=":
		return n != 0
	case ">":
		return n > 0
	case ">=":
		return n >= 0
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	}
	// "~>": the last part that was written may grow, those before it may not.
	upper := c.bound
	at := max(0, c.parts-2)
	upper[at]++
	for i := at + 1; i < len(upper); i++ {
		upper[i] = 0
	}
	return n >= 0 && v.compare(upper) < 0
}
