package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exactly is cobra's check of the number of arguments with a sentence that
// says what they are.
func exactly(what ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(what) {
			return nil
		}
		return counted(c, args, strings.Join(what, " "))
	}
}

// atMost allows arguments to be left out; none of them named allows none.
func atMost(what ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) <= len(what) {
			return nil
		}
		if len(what) == 0 {
			return fmt.Errorf("%s takes no argument, and got %q; see %s --help", c.CommandPath(), args[0], c.CommandPath())
		}
		return counted(c, args, "["+strings.Join(what, " ")+"]")
	}
}

// some wants one argument or more.
func some(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return counted(c, args, what+"…")
	}
}

func counted(c *cobra.Command, args []string, usage string) error {
	got := "no argument"
	switch n := len(args); {
	case n == 1:
		got = "1 argument"
	case n > 1:
		got = fmt.Sprintf("%d arguments", n)
	}
	return fmt.Errorf("write %s %s: it got %s; see %s --help", c.CommandPath(), usage, got, c.CommandPath())
}

// unknownCommand says what was meant, in one sentence.
func (p *program) unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return errors.New(text + "; did you mean " + c.CommandPath() + " " + strings.Join(near, " or ") + "?")
	}
	return errors.New(text + "; " + c.CommandPath() + " --help lists them")
}

// flagError adds to what is wrong with a flag where they are listed, or which
// one was meant.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if near := nearFlag(c, unknown.GetSpecifiedName()); near != "" {
			return fmt.Errorf("%w; did you mean --%s?", err, near)
		}
	}
	return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
}

// nearFlag is the flag that a name was probably meant to be: one that begins
// like it, or that differs in one or two letters at the same length or one more.
func nearFlag(c *cobra.Command, name string) string {
	if len(name) < 3 {
		return ""
	}
	var near string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if near == "" && (strings.HasPrefix(f.Name, name) || alike(f.Name, name)) {
			near = f.Name
		}
	})
	return near
}

// alike says whether two words become the same when one letter is left out of
// either, or both.
func alike(a, b string) bool {
	for i := range len(a) + 1 {
		x := a
		if i < len(a) {
			x = a[:i] + a[i+1:]
		}
		for j := range len(b) + 1 {
			y := b
			if j < len(b) {
				y = b[:j] + b[j+1:]
			}
			if x == y {
				return true
			}
		}
	}
	return false
}
