package hclfile

import "encoding/json"

// JSONSchema returns the language as JSON Schema (draft 2020-12), for editors
// and for programs that write configurations: blocks are objects, and those
// with a label are objects by label.
func JSONSchema() []byte {
	root := objectSchema(Language())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Stopover configuration"
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // maps of strings: cannot fail
	}
	return append(out, '\n')
}

func objectSchema(b *Block) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, a := range b.Attrs {
		properties[a.Name] = attrSchema(a)
		if a.Required {
			required = append(required, a.Name)
		}
	}
	for _, k := range b.Blocks {
		properties[k.Name] = blockSchema(k)
	}
	out := map[string]any{"type": "object", "properties": properties}
	if !b.Options {
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

// blockSchema: one block is an object; several of one name or label are a list.
func blockSchema(k *Block) map[string]any {
	inner := objectSchema(k)
	one := inner
	if !k.Once && (k.Label == "" || k.Repeats) {
		one = map[string]any{"anyOf": []any{inner, map[string]any{"type": "array", "items": inner}}}
	}
	if k.Label == "" {
		return one
	}
	byLabel := map[string]any{"type": "object", "additionalProperties": one}
	names := map[string]any{"minLength": 1}
	if len(k.Labels) > 0 {
		names["enum"] = k.Labels
	}
	byLabel["propertyNames"] = names
	if k.Once {
		byLabel["maxProperties"] = 1
	}
	return byLabel
}

func attrSchema(a Attr) map[string]any {
	word := map[string]any{"type": "string"}
	if len(a.Values) > 0 {
		word["enum"] = a.Values
	}
	out := word
	switch a.Type {
	case TypeNumber:
		out = map[string]any{"type": "integer"}
	case TypeBool:
		out = map[string]any{"type": "boolean"}
	case TypeStrings:
		out = map[string]any{"type": "array", "items": word, "uniqueItems": true}
	case TypeDurations:
		out = map[string]any{"type": "array", "items": word, "minItems": 2, "maxItems": 2}
	case TypeDate:
		out["format"] = "date"
	}
	out["description"] = a.Doc
	return out
}
