package hclfile

import (
	"github.com/hashicorp/hcl/v2"
)

// Type is what an attribute holds, in the words of the reference.
type Type string

// Types of attributes.
const (
	TypeString    Type = "string"
	TypeNumber    Type = "whole number"
	TypeBool      Type = "true or false"
	TypeDuration  Type = "duration" // as time.ParseDuration reads it
	TypeDate      Type = "date"     // 2026-12-20
	TypeStrings   Type = "list of strings"
	TypeDurations Type = "list of two durations"
	TypeServer    Type = "reference to a server"
	TypeBytes     Type = "size"             // options of providers only
	TypeLayout    Type = "name of a layout" // the same
	TypeTime      Type = "time of day"
	TypeWindow    Type = "reference to a window"
	TypeWindows   Type = "list of references to windows"
	TypeKind      Type = "type"      // of a variable: string, list(number), …
	TypeAny       Type = "value"     // of any type
	TypeCondition Type = "condition" // an expression that is true or false
	TypeTemplate  Type = "text"      // an expression that is a string
	TypeRows      Type = "list of objects"
)

// one names a value of the type in a sentence.
func (t Type) one() string {
	if t == TypeBool || t == TypeTemplate {
		return string(t)
	}
	return "a " + string(t)
}

// Attr declares one attribute of a block.
type Attr struct {
	Name     string
	Type     Type
	Doc      string
	Default  string // in words or as HCL; for the reference
	Example  string // as HCL
	Values   []string
	Since    string // version; empty: since the beginning
	Required bool
	Labels   []string // the labels of the block under which it may stand; empty: any
	With     []string // the arguments beside one of which it may stand; empty: any
}

// Block declares one kind of block. The root of the language is a Block
// without a name.
type Block struct {
	Name    string
	Label   string   // what the label is; empty: the block has none
	Labels  []string // labels allowed; empty: any
	Doc     string
	Example string // HCL of a whole block
	Since   string
	Once    bool // at most one beside each other
	Repeats bool // several may have the same label
	Options bool // takes the options of its provider besides Attrs
	Static  bool // cannot be made by dynamic
	AnyName bool // takes arguments of any name instead of Attrs
	Later   bool // its body is read by somebody else
	Attrs   []Attr
	Blocks  []*Block

	body *hcl.BodySchema
}

// Attr returns an attribute's declaration, or nil.
func (b *Block) Attr(name string) *Attr {
	for i := range b.Attrs {
		if b.Attrs[i].Name == name {
			return &b.Attrs[i]
		}
	}
	return nil
}

// Block returns the declaration of a nested block, or nil.
func (b *Block) Block(name string) *Block {
	for _, k := range b.Blocks {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// compile derives what hcl needs of the table, once for all blocks of a kind.
// Nothing is marked required there: missing says it with the table's words.
func (b *Block) compile() *Block {
	b.body = &hcl.BodySchema{}
	for _, a := range b.Attrs {
		b.body.Attributes = append(b.body.Attributes, hcl.AttributeSchema{Name: a.Name})
	}
	for _, k := range b.Blocks {
		header := hcl.BlockHeaderSchema{Type: k.Name}
		if k.Label != "" {
			header.LabelNames = []string{k.Label}
		}
		b.body.Blocks = append(b.body.Blocks, header)
		k.compile()
	}
	if len(b.repeatable()) > 0 {
		b.body.Blocks = append(b.body.Blocks, hcl.BlockHeaderSchema{Type: dynamicName, LabelNames: []string{"block"}})
	}
	return b
}

// repeatable returns the names of the nested blocks that dynamic can make.
func (b *Block) repeatable() []string {
	var names []string
	for _, k := range b.Blocks {
		if !k.Once && !k.Static {
			names = append(names, k.Name)
		}
	}
	return names
}

// Kind is what the language knows of a kind of server: the name that "provider"
// takes and the options of its servers.
type Kind struct {
	Name    string
	Doc     string
	Options []Option
}

// Option is one option of a kind of server.
type Option struct {
	Name     string
	Type     string // string | number | bool | duration | bytes | layout
	Doc      string
	Default  string
	Example  string
	Required bool
	Secret   bool // takes env("NAME") and nothing else
}
