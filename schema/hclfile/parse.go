package hclfile

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stopover/stopover/schema"
)

// Options are what Parse has to know of the program that it runs in.
type Options struct {
	// Kinds of servers and their options. Nil: every kind is accepted, with
	// options of any name that hold strings, numbers and booleans.
	Kinds []Kind
	// Version of the program, which required_version is compared with. Empty
	// or not a version (a development build): every requirement is met.
	Version string
	// Vars are values of variables from the command line, in its order: a
	// later one beats an earlier one.
	Vars []Assignment
	// Env looks variables of the environment up, for STOPOVER_VAR_NAME. Nil:
	// there is none.
	Env func(name string) (string, bool)
}

// Parse reads all *.stopover.hcl and *.stopover.hcl.json files of a directory
// together, and the values of variables in its *.auto.vars.hcl and
// *.auto.vars.hcl.json files. The configuration is nil if there is an error
// among the diagnostics; these are sorted by file and line.
func Parse(dir string, opts Options) (*schema.Config, schema.Diagnostics) {
	files, diags := readDir(dir)
	if diags.HasErrors() {
		return nil, diags
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, schema.Diagnostics{noDirectory(dir, err)}
	}
	defer root.Close()
	return parse(files, &source{root: root}, opts)
}

// ParseFiles is Parse for files that are in memory, by name. The names are used
// in messages, and their order is the order of the files; those that end in
// .hcl are configuration. Functions such as file find these files and no others.
func ParseFiles(files map[string][]byte, opts Options) (*schema.Config, schema.Diagnostics) {
	return parse(files, &source{memory: files}, opts)
}

func parse(files map[string][]byte, from *source, opts Options) (*schema.Config, schema.Diagnostics) {
	d := newDecoder(files, from)
	d.opts, d.anyKind = opts, opts.Kinds == nil
	var names []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch {
		case isValues(name):
			d.values[name] = true
		case isConfig(name), from.memory != nil && strings.HasSuffix(name, ".hcl"):
			names = append(names, name)
		}
	}
	root := d.parse(names)
	if root == nil {
		return nil, d.diagnostics()
	}
	cfg := d.config(root)
	if d.failed {
		return nil, d.diagnostics()
	}
	return cfg, d.diagnostics()
}

// ParseProcess reads a file that holds one process block and nothing else. The
// name is used in messages.
func ParseProcess(name string, src []byte) (*schema.Process, schema.Diagnostics) {
	d := newDecoder(map[string][]byte{name: src}, &source{})
	root := d.parse([]string{name})
	if root == nil {
		return nil, d.diagnostics()
	}
	var found *schema.Process
	for _, n := range root.kids {
		if n.spec.Name != "process" {
			d.wrong(n.defRange, n, "Not a process", "A process file holds one process block and nothing else, but here is a block of type %q.", n.spec.Name)
			continue
		}
		p := d.process(n)
		if found != nil {
			d.wrong(n.defRange, n, "More than one process", "A process file holds one process block; the first is %q.", found.Name)
			continue
		}
		found = &p
	}
	if len(root.kids) == 0 {
		d.wrong(hcl.Range{Filename: name}, nil, "No process", "%s holds no process block. Write process \"NAME\" { … } in it.", name)
	}
	if d.failed {
		return nil, d.diagnostics()
	}
	return found, d.diagnostics()
}

// decoder turns files into nouns and collects what is wrong with them.
type decoder struct {
	files       map[string][]byte
	values      map[string]bool // files that hold values of variables, which are never shown
	lang        *Block
	root        *node
	opts        Options
	anyKind     bool
	eval        *hcl.EvalContext
	vars        map[string]*variable
	locals      map[string]*local
	servers     []string // declared, in order; for references and suggestions
	windows     []string
	layoutNames []string
	hide        []string               // texts of sensitive values
	wrongRows   map[*node]map[int]bool // rows of lists, by accounts block
	diags       schema.Diagnostics
	failed      bool
}

func newDecoder(files map[string][]byte, from *source) *decoder {
	return &decoder{
		files:  maps.Clone(files),
		values: map[string]bool{},
		lang:   Language(),
		eval: &hcl.EvalContext{
			Variables: map[string]cty.Value{"var": cty.EmptyObjectVal, "local": cty.EmptyObjectVal},
			Functions: functions(from),
		},
	}
}

// parse does the first stages: syntax of all files, then the required version,
// then variables and local values, then the shape of every block. It returns
// nil where going on would only report what follows from mistakes that are
// reported already.
func (d *decoder) parse(names []string) *node {
	if len(names) == 0 {
		d.wrong(hcl.Range{}, nil, "No configuration", "There is no file to read. Write one whose name ends in %s.", suffix)
		return nil
	}
	var bodies []hcl.Body
	var syntax hcl.Diagnostics
	for _, name := range names {
		if !d.isText(name) || !d.sane(name) {
			continue
		}
		body, diags := d.parseFile(name)
		syntax = append(syntax, diags...)
		if body != nil {
			bodies = append(bodies, body)
		}
	}
	if d.failed || !d.versionMet(bodies, d.opts.Version) {
		return nil
	}
	if syntax.HasErrors() {
		d.report(syntax, nil)
		return nil
	}
	root := &node{spec: d.lang}
	d.root = root
	given := &node{spec: d.lang}
	contents := make([]*hcl.BodyContent, len(bodies))
	for i, body := range bodies {
		content, diags := body.Content(root.spec.body)
		d.reportShape(diags, root, root.spec, body)
		contents[i] = &hcl.BodyContent{}
		for _, b := range content.Blocks {
			if b.Type == "variable" || b.Type == "locals" {
				d.block(given, b)
				continue
			}
			contents[i].Blocks = append(contents[i].Blocks, b)
		}
	}
	d.shape(given)
	d.variables(given)
	d.localValues(given)
	for _, content := range contents {
		d.take(root, content)
	}
	d.shape(root)
	return root
}
