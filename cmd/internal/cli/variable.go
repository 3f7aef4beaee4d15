package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/stopover/stopover/schema/hclfile"
)

// variableFlags adds --var and --var-file. They share one list, since the later
// one beats the earlier one.
func (p *program) variableFlags(f *pflag.FlagSet) {
	f.Var(&variableFlag{to: &p.vars}, "var", "give a variable of the configuration a value: `NAME=VALUE`; may be repeated")
	f.Var(&variableFlag{to: &p.vars, file: true}, "var-file", "read such values from a `FILE`, as HCL or JSON; may be repeated")
}

type variableFlag struct {
	to   *[]hclfile.Assignment
	file bool
}

func (v *variableFlag) Set(s string) error {
	if v.file {
		if s == "" {
			return fmt.Errorf("the name of the file is empty")
		}
		*v.to = append(*v.to, hclfile.Assignment{File: s})
		return nil
	}
	name, text, ok := strings.Cut(s, "=")
	if !ok || strings.TrimSpace(name) == "" {
		return fmt.Errorf("write NAME=VALUE")
	}
	*v.to = append(*v.to, hclfile.Assignment{Name: strings.TrimSpace(name), Text: text})
	return nil
}

// String is the default, which is nothing. Values are never printed: one of
// them may be a secret.
func (v *variableFlag) String() string { return "" }

func (v *variableFlag) Type() string { return "string" }
