package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Reference is the page of all commands, in Markdown, made from what the
// program itself says.
func Reference() string {
	root := new(program).root()
	var b strings.Builder
	b.WriteString("# Commands\n\nThis page is made from the program's own help.\n\n")
	about, status, _ := strings.Cut(root.Long, "\nExit status:\n")
	b.WriteString(about + "\n## Exit status\n\n| status | meaning |\n|---|---|\n")
	for line := range strings.Lines(strings.ReplaceAll(status, "\n       ", " ")) {
		n, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		fmt.Fprintf(&b, "| %s | %s |\n", n, strings.TrimSpace(text))
	}
	b.WriteString("\n## Options of every command\n\n```\n" + root.PersistentFlags().FlagUsages() + "```\n")
	for _, c := range root.Commands() {
		if !c.Hidden && c.Name() != "help" {
			section(&b, c)
		}
	}
	return b.String()
}

func section(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "\n## stopover %s\n\n%s.\n\n```\n%s\n```\n", c.Name(), c.Short, c.UseLine())
	if c.Long != "" {
		b.WriteString("\n" + c.Long + "\n")
	}
	if c.Example != "" {
		b.WriteString("\n```\n" + c.Example + "\n```\n")
	}
	if own := c.NonInheritedFlags().FlagUsages(); own != "" {
		b.WriteString("\n```\n" + own + "```\n")
	}
}
