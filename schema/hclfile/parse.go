package hclfile

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

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
}

// Parse reads all *.stopover.hcl files of a directory together. The
// configuration is nil if there is an error among the diagnostics; these are
// sorted by file and line.
func Parse(dir string, opts Options) (*schema.Config, schema.Diagnostics) {
	files, diags := readDir(dir)
	if diags.HasErrors() {
		return nil, diags
	}
	return ParseFiles(files, opts)
}

// ParseFiles is Parse for files that are in memory, by name. The names are used
// in messages, and their order is the order of the files.
func ParseFiles(files map[string][]byte, opts Options) (*schema.Config, schema.Diagnostics) {
	d := newDecoder(files)
	d.kinds, d.anyKind = opts.Kinds, opts.Kinds == nil
	root := d.parse(slices.Sorted(maps.Keys(files)), opts.Version)
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
	d := newDecoder(map[string][]byte{name: src})
	root := d.parse([]string{name}, "")
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
	files   map[string][]byte
	lang    *Block
	kinds   []Kind
	anyKind bool
	eval    *hcl.EvalContext
	servers []string // declared, in order; for references and suggestions
	diags   schema.Diagnostics
	failed  bool
}

func newDecoder(files map[string][]byte) *decoder {
	return &decoder{files: files, lang: Language(), eval: evalContext()}
}

// parse does the first stages: syntax of all files, then the required version,
// then the shape of every block. It returns nil where going on would only
// report what follows from mistakes that are reported already.
func (d *decoder) parse(names []string, version string) *node {
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
		file, diags := hclsyntax.ParseConfig(d.files[name], name, hcl.InitialPos)
		syntax = append(syntax, diags...)
		if file != nil {
			bodies = append(bodies, file.Body)
		}
	}
	if d.failed || !d.versionMet(bodies, version) {
		return nil
	}
	if syntax.HasErrors() {
		d.report(syntax, nil)
		return nil
	}
	root := &node{spec: d.lang}
	for _, body := range bodies {
		d.load(root, body)
	}
	d.shape(root)
	return root
}
