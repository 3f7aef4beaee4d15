package hclfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/stopover/stopover/schema/process"
)

// none is the value of a block without arguments.
const none = "none"

// Rule is one rule of a built-in process, with the comment above it.
type Rule struct {
	Name  string // phase migrate: parallel
	Value string // as HCL; empty: the arguments are rules of their own; "none": there are no arguments
	From  string // the comment: certainty, and where the rule comes from
}

// Certainty is the word that the comment begins with: documented, inferred or
// own; "" if there is none.
func (r Rule) Certainty() string {
	word, _, ok := strings.Cut(r.From, ":")
	if !ok || !slices.Contains([]string{"documented", "inferred", "own"}, word) {
		return ""
	}
	return word
}

// Rules returns the rules of a built-in process in order. A block with a
// comment above it is one rule, as is every argument with one; an argument
// without any, in a block without any, is a rule with an empty From.
func Rules(name string) []Rule {
	src, ok := process.Builtin(name)
	if !ok {
		return nil
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		panic("hclfile: built-in process " + name + ": " + diags.Error())
	}
	r := ruleReader{src: src, comments: comments(src, name)}
	for _, b := range file.Body.(*hclsyntax.Body).Blocks {
		for _, inner := range b.Body.Blocks {
			r.block(inner)
		}
	}
	return r.rules
}

type ruleReader struct {
	src      []byte
	comments map[int]string // by line, of lines that hold nothing else
	rules    []Rule
}

func comments(src []byte, name string) map[int]string {
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos)
	out := map[int]string{}
	line := 0 // the last that something else is on
	for _, t := range tokens {
		if t.Type != hclsyntax.TokenComment {
			if t.Type != hclsyntax.TokenNewline {
				line = t.Range.End.Line
			}
			continue
		}
		if t.Range.Start.Line != line {
			out[t.Range.Start.Line] = strings.TrimSpace(strings.TrimPrefix(string(t.Bytes), "#"))
		}
	}
	return out
}

// above joins the comment lines right above a line.
func (r *ruleReader) above(line int) string {
	var lines []string
	for line--; ; line-- {
		text, ok := r.comments[line]
		if !ok {
			break
		}
		lines = append(lines, text)
	}
	slices.Reverse(lines)
	return strings.Join(lines, " ")
}

func (r *ruleReader) block(b *hclsyntax.Block) {
	title := strings.Join(append([]string{b.Type}, b.Labels...), " ")
	from := r.above(b.TypeRange.Start.Line)
	var attrs []*hclsyntax.Attribute
	for _, a := range b.Body.Attributes {
		attrs = append(attrs, a)
	}
	slices.SortFunc(attrs, func(x, y *hclsyntax.Attribute) int { return x.SrcRange.Start.Byte - y.SrcRange.Start.Byte })
	whole := Rule{Name: title, From: from}
	if len(attrs) == 0 {
		whole.Value = none
	}
	var own []Rule
	for _, a := range attrs {
		value := string(a.Expr.Range().SliceBytes(r.src))
		why := r.above(a.SrcRange.Start.Line)
		switch {
		case why != "" || from == "" && a.Name != "doc":
			own = append(own, Rule{Name: title + ": " + a.Name, Value: value, From: why})
		case a.Name == "doc":
		case b.Type == "barrier" && a.Name == "before":
			whole.Name = "before " + strings.Trim(value, `"`)
		default:
			whole.Value = strings.TrimPrefix(whole.Value+", "+a.Name+" = "+value, ", ")
		}
	}
	if from != "" {
		r.rules = append(r.rules, whole)
	}
	r.rules = append(r.rules, own...)
}

// ProcessReference returns what docs/process.md holds: every rule of every
// built-in process, side by side, and then each with where it comes from.
func ProcessReference() []byte {
	var b bytes.Buffer
	b.WriteString(`# The built-in processes

A process is the rules of a journey: who acts, what is free, until when one can go back. Stopover has four; a migration names one of them,
or a ` + "`process`" + ` block of the configuration's own. They are data: copy one, change it, give it another name.

Each rule says how sure it is:

- **documented**: the provider's own words
- **inferred**: concluded from these, or from the drawings beside them
- **own**: chosen by Stopover

` + "`by`" + ` says whose business a phase is. Whether a step runs by itself depends on what the providers of the servers can do; where they cannot, it is a gate that names who must act.
Accepting an account is always a gate.

This page is made from the processes themselves, their rules and the comments above these.

`)
	sideBySide(&b)
	for _, name := range process.Names() {
		src, _ := process.Builtin(name)
		p, diags := ParseProcess(name+".hcl", src)
		if diags.HasErrors() {
			panic("hclfile: built-in process " + name + ": " + diags[0].Detail)
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s. From: %s (%s).\n\n", name, p.Title, p.Source, p.Certainty)
		b.WriteString("| phase | what happens |\n|---|---|\n")
		for _, ph := range p.Phases {
			fmt.Fprintf(&b, "| %s | %s |\n", ph.Name, cell(ph.Doc))
		}
		b.WriteString("\n| rule | value | certainty | where it comes from |\n|---|---|---|---|\n")
		for _, r := range Rules(name) {
			_, text, _ := strings.Cut(r.From, ": ")
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Name, value(r.Value), r.Certainty(), cell(text))
		}
		for i, dns := range p.DNS {
			if i == 0 {
				b.WriteString("\nDNS, in words:\n\n")
			}
			fmt.Fprintf(&b, "- **%s**: %s\n", dns.Name, dns.Doc)
		}
	}
	return b.Bytes()
}

// sideBySide compares the processes, rule by rule.
func sideBySide(b *bytes.Buffer) {
	names := process.Names()
	var order []string
	values := map[string]map[string]string{}
	for _, name := range []string{"private-cloud-2021", "private-cloud-2025", "self-managed", "direct"} {
		for _, r := range Rules(name) {
			if values[r.Name] == nil {
				values[r.Name] = map[string]string{}
				order = append(order, r.Name)
			}
			values[r.Name][name] = r.Value
		}
	}
	slices.SortStableFunc(order, func(x, y string) int { return rank(x) - rank(y) })
	fmt.Fprintf(b, "## Side by side\n\n| rule | %s |\n|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, rule := range order {
		fmt.Fprintf(b, "| %s |", rule)
		for _, name := range names {
			fmt.Fprintf(b, " %s |", value(values[rule][name]))
		}
		b.WriteString("\n")
	}
}

// rank keeps rules of a kind together, in the order of the journey.
func rank(rule string) int {
	for i, prefix := range blockNames(Language().Block("process")) {
		if strings.HasPrefix(rule, prefix) {
			return 100 * i
		}
	}
	return 100 // barriers are named by their phase
}

func value(s string) string {
	if s == "" || s == none {
		return s
	}
	return "`" + cell(s) + "`"
}
