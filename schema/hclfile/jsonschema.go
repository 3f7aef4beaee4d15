package hclfile

import (
	"encoding/json"
	"strings"
)

// LanguageSchema returns the language as JSON Schema (draft 2020-12), for
// editors and for programs that write *.stopover.hcl.json files: blocks are
// objects, those with a label objects under their label, several of one kind
// or label lists of objects. An expression is a string with ${ } around it. The
// schema knows the form, not what names refer to: stopover validate says more.
func LanguageSchema() []byte {
	s := schemaMaker{defs: map[string]any{}}
	root := s.object(Language(), nil)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Stopover configuration"
	root["$defs"] = s.defs
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // maps of strings: cannot fail
	}
	return append(out, '\n')
}

type schemaMaker struct {
	defs map[string]any // by path: migration.account
}

func (s *schemaMaker) object(b *Block, path []string) map[string]any {
	properties := map[string]any{"//": map[string]any{"description": "A comment."}}
	var required []string
	for _, a := range b.Attrs {
		properties[a.Name] = attrSchema(a)
		if a.Required {
			required = append(required, a.Name)
			continue
		}
		properties[a.Name] = map[string]any{"anyOf": []any{properties[a.Name], map[string]any{"type": "null"}}, "description": a.Doc}
	}
	made := map[string]any{}
	for _, k := range b.Blocks {
		up := append(path[:len(path):len(path)], k.Name)
		ref := s.define(k, up)
		properties[k.Name] = blockSchema(k, ref)
		if !k.Once && !k.Static {
			made[k.Name] = oneOrMore(dynamicSchema(k, ref))
		}
	}
	if len(made) > 0 {
		properties[dynamicName] = map[string]any{"type": "object", "properties": made, "additionalProperties": false, "description": dynamicBlock().Doc}
	}
	out := map[string]any{"type": "object", "properties": properties}
	if !b.Options && !b.AnyName {
		out["additionalProperties"] = false
	}
	if len(required) > 0 {
		out["required"] = required
	}
	if b.Doc != "" {
		out["description"] = b.Doc
	}
	return out
}

// define keeps what stands in a block, which the block and dynamic refer to.
func (s *schemaMaker) define(k *Block, path []string) map[string]any {
	name := strings.Join(path, ".")
	s.defs[name] = s.object(k, path)
	return map[string]any{"$ref": "#/$defs/" + name}
}

// blockSchema: one block is an object; several of one name or label are a list.
func blockSchema(k *Block, inner map[string]any) map[string]any {
	one := inner
	if !k.Once && (k.Label == "" || k.Repeats) {
		one = oneOrMore(inner)
	}
	if k.Label == "" {
		return one
	}
	names := map[string]any{"minLength": 1}
	if len(k.Labels) > 0 {
		names["enum"] = k.Labels
	}
	byLabel := map[string]any{"type": "object", "additionalProperties": one, "propertyNames": names}
	if k.Once {
		byLabel["maxProperties"] = 1
		return byLabel
	}
	return oneOrMore(byLabel)
}

func oneOrMore(one map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{one, map[string]any{"type": "array", "items": one}}}
}

// dynamicSchema is what stands under the type of block that dynamic makes.
func dynamicSchema(k *Block, inner map[string]any) map[string]any {
	properties := map[string]any{"content": inner}
	required := []string{"for_each", "content"}
	for _, a := range dynamicBlock().Attrs {
		if a.Name != "labels" || k.Label != "" {
			properties[a.Name] = attrSchema(a)
		}
	}
	if k.Label != "" {
		required = append(required, "labels")
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// expression is a string that is computed.
func expression() map[string]any { return map[string]any{"type": "string", "pattern": `[$%]\{`} }

func orExpression(s map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{s, expression()}}
}

func attrSchema(a Attr) map[string]any {
	word := map[string]any{"type": "string"}
	if len(a.Values) > 0 {
		word = orExpression(map[string]any{"type": "string", "enum": a.Values})
	}
	out := word
	switch a.Type {
	case TypeNumber:
		out = orExpression(map[string]any{"type": "integer"})
	case TypeBool, TypeCondition:
		out = orExpression(map[string]any{"type": "boolean"})
	case TypeStrings, TypeWindows:
		out = orExpression(map[string]any{"type": "array", "items": word})
	case TypeDurations:
		out = orExpression(map[string]any{"type": "array", "items": word, "minItems": 2, "maxItems": 2})
	case TypeRows:
		out = orExpression(map[string]any{"type": "array"})
	case TypeAny:
		out = map[string]any{}
	case TypeDate:
		out = map[string]any{"type": "string", "pattern": `^\d{4}-\d{2}-\d{2}$|[$%]\{`}
	case TypeTime:
		out = map[string]any{"type": "string", "pattern": `^\d{2}:\d{2}$|[$%]\{`}
	}
	if a.Required {
		out["description"] = a.Doc
	}
	return out
}
