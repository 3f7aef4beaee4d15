package hclfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Reference returns the reference of the language as Markdown, made from the
// tables.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString(`# The language

A configuration is all files of a directory whose names end in ` + "`" + suffix + "`" + `, read together; their order does not matter.
The files are UTF-8 and written in HCL: blocks with labels, and arguments with values. Durations are strings such as ` + "`\"90s\"` or `\"1h30m\"`" + `.
Files whose names end in ` + "`" + suffix + ".json`" + ` say the same as JSON: a block is an object under its type and its label, several of one kind a list of objects, and an
expression is a string with ` + "`${ }`" + ` around it. ` + "`stopover schema language`" + ` prints the JSON Schema of these.

Names of accounts are the names on the servers, whatever they hold; names that you make up have letters, digits, ` + "`-`, `_` and `.`" + `.
Values can be computed: from variables (` + "`var.NAME`" + `), local values (` + "`local.NAME`" + `) and functions, with conditions (` + "`a ? b : c`" + `) and
` + "`for`" + ` expressions. References to servers and windows (` + "`server.NAME`, `window.NAME`" + `) stand where the tables below ask for them and nowhere else.

This page is made from the tables that the decoder uses.

`)
	lang := Language()
	b.WriteString("| block | there are |\n|---|---|\n")
	for _, k := range lang.Blocks {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", header(k), k.Name, count(k))
	}
	for _, k := range lang.Blocks {
		section(&b, k, nil)
	}
	section(&b, dynamicBlock(), nil)
	functionTable(&b)
	return b.Bytes()
}

func functionTable(b *bytes.Buffer) {
	b.WriteString("\n## Functions\n\n| call | gives |\n|---|---|\n")
	all := Functions()
	slices.SortFunc(all, func(x, y Function) int { return strings.Compare(x.Name, y.Name) })
	for _, f := range all {
		fmt.Fprintf(b, "| `%s` | %s |\n", cell(f.Usage), cell(f.Doc))
	}
	b.WriteString("\nIn conditions and messages of `check` and `policy`, those that read files or the environment cannot be called: put the call into a local value, and refer to that.\n")
}

func section(b *bytes.Buffer, k *Block, up []string) {
	path := append(up[:len(up):len(up)], k.Name)
	fmt.Fprintf(b, "\n%s %s\n\n", strings.Repeat("#", min(len(path)+1, 4)), strings.Join(path, " "))
	fmt.Fprintf(b, "`%s`", header(k))
	if len(up) > 0 {
		fmt.Fprintf(b, ", in `%s`; %s", up[len(up)-1], count(k))
	}
	fmt.Fprintf(b, ". %s", k.Doc)
	if k.Since != "" {
		fmt.Fprintf(b, " Since %s.", k.Since)
	}
	b.WriteString("\n")
	if len(k.Labels) > 0 {
		fmt.Fprintf(b, "\nThe %s is %s.\n", k.Label, codes(k.Labels, "or"))
	}
	if len(k.Attrs) > 0 {
		b.WriteString("\n| argument | type | default | |\n|---|---|---|---|\n")
		for _, a := range k.Attrs {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", a.Name, typeOf(a), standard(a), cell(describe(a)))
		}
	}
	if len(k.repeatable()) > 0 && k.Name != dynamicName {
		fmt.Fprintf(b, "\nBlocks that [`dynamic`](#dynamic) can make here: %s.\n", codes(k.repeatable(), "and"))
	}
	if k.AnyName {
		b.WriteString("\nArguments have any name.\n")
	}
	if k.Options {
		b.WriteString("\nThe options of the provider stand here too.\n")
	}
	if k.Example != "" {
		fmt.Fprintf(b, "\n```hcl\n%s\n```\n", k.Example)
	}
	for _, inner := range k.Blocks {
		section(b, inner, path)
	}
}

func header(k *Block) string {
	if k.Label == "" {
		return k.Name + " { }"
	}
	return fmt.Sprintf("%s %q { }", k.Name, strings.ToUpper(k.Label))
}

func count(k *Block) string {
	switch {
	case k.Once:
		return "one at most"
	case k.Label == "":
		return "any number"
	case k.Repeats:
		return "any number, several of one " + k.Label + " too"
	}
	return "one for each " + k.Label
}

func typeOf(a Attr) string {
	if len(a.Values) == 0 {
		return string(a.Type)
	}
	if a.Type == TypeStrings {
		return "list of " + codes(a.Values, "and")
	}
	return codes(a.Values, "or")
}

func standard(a Attr) string {
	switch {
	case a.Required:
		return "required"
	case strings.HasPrefix(a.Default, `"`):
		return "`" + a.Default + "`"
	}
	return a.Default
}

func describe(a Attr) string {
	s := a.Doc + " `" + a.Example + "`"
	if len(a.Labels) > 0 {
		s = "In " + codes(a.Labels, "and") + ". " + s
	}
	if len(a.With) > 0 {
		s = "With " + codes(a.With, "and") + ". " + s
	}
	if a.Since != "" {
		s += " Since " + a.Since + "."
	}
	return s
}

func codes(words []string, join string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = "`" + w + "`"
	}
	return listed(out, join)
}

// cell keeps text inside of a table's cell.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
