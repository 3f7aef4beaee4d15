package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/cmd/internal/view"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
)

// maxSource bounds a file that is formatted, in bytes; the language's reader
// has the same bound.
const maxSource = 64 << 20

// formatter is one run of fmt.
type formatter struct {
	check, diff, recursive bool

	files []view.FormattedFile // that change
	diags schema.Diagnostics
}

func (p *program) fmt() *cobra.Command {
	var f formatter
	c := &cobra.Command{
		Use: "fmt [PATH...]", Short: "Write configuration files the usual way",
		Long: `Indent configuration files the usual way and put their "=" in columns. What they
mean, and their comments, stay. PATH is a file or a directory; "-" reads from
standard input and writes to standard output. Without one it is the directory of
the configuration.

The names of the files that were changed are printed. A file whose syntax is
wrong is left as it is.`,
		Example: "  stopover fmt\n  stopover fmt --check --diff --recursive .",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "-" {
				return p.fmtInput(&f)
			}
			if len(args) == 0 {
				args = []string{p.dir}
			}
			for _, path := range args {
				if path == "-" {
					return errors.New(`"-" stands for standard input and cannot be mixed with other paths`)
				}
				if err := f.path(path); err != nil {
					return err
				}
			}
			p.view().Formatted(f.files)
			return p.fmtEnd(&f)
		},
	}
	c.Flags().BoolVar(&f.check, "check", false, "change nothing; exit with 3 when a file is not formatted")
	c.Flags().BoolVar(&f.diff, "diff", false, "show what changes")
	c.Flags().BoolVarP(&f.recursive, "recursive", "r", false, "also the directories below")
	return c
}

// fmtInput formats what comes in.
func (p *program) fmtInput(f *formatter) error {
	src, err := io.ReadAll(io.LimitReader(p.in, maxSource+1))
	if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	if len(src) > maxSource {
		return fmt.Errorf("standard input is larger than %d MiB", maxSource>>20)
	}
	out, diags := hclfile.Format("<stdin>", src)
	if diags.HasErrors() {
		p.view().Diagnostics(diags)
		return &setup.ConfigError{Diagnostics: diags}
	}
	f.note("<stdin>", src, out)
	switch {
	case f.diff || f.check:
		p.view().Formatted(f.files)
	default:
		p.view().Text(out)
	}
	return p.fmtEnd(f)
}

// fmtEnd says what was wrong, and with --check that something is not formatted.
func (p *program) fmtEnd(f *formatter) error {
	if f.diags.HasErrors() {
		p.view().Diagnostics(f.diags)
		return &setup.ConfigError{Diagnostics: f.diags}
	}
	if f.check && len(f.files) > 0 {
		p.exit = apply.ExitWaiting
	}
	return nil
}

// path formats a file, or the files of a directory.
func (f *formatter) path(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	if !info.IsDir() {
		if strings.HasSuffix(path, ".json") {
			return fmt.Errorf("format %s: it is JSON; fmt writes the native syntax only", path)
		}
		return f.file(path)
	}
	return filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("format: %w", err)
		case d.IsDir() && at != path && (!f.recursive || strings.HasPrefix(d.Name(), ".") || isPocketServer(at)):
			return filepath.SkipDir
		case d.IsDir() || strings.HasPrefix(d.Name(), ".") || !isConfiguration(d.Name()):
			return nil
		}
		return f.file(at)
	})
}

// isConfiguration says whether a file belongs to a configuration by its name.
func isConfiguration(name string) bool {
	return strings.HasSuffix(name, ".stopover.hcl") || strings.HasSuffix(name, ".vars.hcl")
}

// isPocketServer says whether a directory is a pocket server: what is in there
// belongs to accounts.
func isPocketServer(dir string) bool {
	server, err := os.Stat(filepath.Join(dir, "server.json"))
	return err == nil && server.Mode().IsRegular()
}

func (f *formatter) file(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return fmt.Errorf("format: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("format %s: it is not a regular file", path)
	case info.Size() > maxSource:
		return fmt.Errorf("format %s: it is larger than %d MiB", path, maxSource>>20)
	}
	src, err := os.ReadFile(real)
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	out, diags := hclfile.Format(path, src)
	if diags.HasErrors() {
		f.diags = append(f.diags, diags...)
		return nil
	}
	if !f.note(path, src, out) || f.check {
		return nil
	}
	// In one move, so that nobody reads half a file.
	if err := renameio.WriteFile(real, out, info.Mode().Perm(), renameio.WithTempDir(filepath.Dir(real)), renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("format %s: %w", path, err)
	}
	return nil
}

// note remembers a file that changes.
func (f *formatter) note(name string, src, out []byte) bool {
	if bytes.Equal(src, out) {
		return false
	}
	file := view.FormattedFile{File: name}
	if f.diff {
		file.Diff = string(diff.Diff("old/"+name, src, "new/"+name, out))
	}
	f.files = append(f.files, file)
	return true
}
