package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/stopover/stopover/cmd/internal/notice"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/cmd/internal/view"
	"github.com/stopover/stopover/schema"
)

// noticeFlags are the flags of notices.
type noticeFlags struct {
	accounts  []string
	out       string
	csv       string
	ics       string
	templates string
	language  string
	print     string
}

func (p *program) notices() *cobra.Command {
	var f noticeFlags
	var refresh bool
	c := &cobra.Command{
		Use: "notices", Short: "Write to the owners of accounts what happens when", Args: atMost(),
		Long: `For every account that still moves, write a text for its owner: when it moves, how
long it will not answer, what to do with DNS records, and what changes: the
server's SSH key, the address that connections come from, runtimes that are
replaced. Nothing is sent.

The text is in the account's language ("language" in the configuration): ` + strings.Join(notice.Languages(), " or ") + `.
Texts of your own go into a directory as LANGUAGE.txt, in Go's text/template
language; --print-template prints a built-in one to start from.

Dates are those of the plan's timetable. While the transit server is not handed
over they are not known, and no date is invented: the text says so.`,
		Example: "  stopover notices --out letters --ics moves.ics\n  stopover notices --print-template fr > texts/fr.txt\n  stopover notices --templates texts --csv moves.csv",
		RunE: func(c *cobra.Command, _ []string) error {
			if f.print != "" {
				src, err := notice.Builtin(f.print)
				if err != nil {
					return fmt.Errorf("--print-template: there is no built-in text for the language %q; there are %s", f.print, strings.Join(notice.Languages(), ", "))
				}
				p.view().Text(src)
				return nil
			}
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			computed, err := project.Compute(c.Context(), setup.Request{Now: time.Now(), Refresh: refresh})
			if err != nil {
				return err
			}
			return p.writeNotices(computed, f)
		},
	}
	accountFlag(c, &f.accounts)
	refreshFlag(c, &refresh)
	c.Flags().StringVarP(&f.out, "out", "o", "", "write one file for each account into this directory, and its event beside it")
	c.Flags().StringVar(&f.csv, "csv", "", "write a table of all moves into this file; a cell that a spreadsheet would compute gets a ' in front")
	c.Flags().StringVar(&f.ics, "ics", "", "write a calendar of all moves into this file; imported again, it updates its events")
	c.Flags().StringVar(&f.templates, "templates", "", "directory of texts of your own, as fr.txt")
	c.Flags().StringVar(&f.language, "language", "en", "language of accounts that name none")
	c.Flags().StringVar(&f.print, "print-template", "", "print the built-in text of a language, to start your own from")
	p.completeFlag(c, "language", words(notice.Languages()...))
	p.completeFlag(c, "print-template", words(notice.Languages()...))
	return c
}

// writeNotices makes the notices of a plan and writes what was asked for.
func (p *program) writeNotices(computed *setup.Computed, f noticeFlags) error {
	if err := someMatch(f.accounts, computed); err != nil {
		return err
	}
	in := notice.Input{Plan: computed.Plan, Inventory: computed.Inventory, Language: f.language}
	if len(f.accounts) > 0 {
		in.Pick = func(name string) bool { return picked(f.accounts, name) }
	}
	made, err := notice.Make(in)
	if err != nil {
		return err
	}
	w, err := notice.NewWriter(f.templates)
	if err != nil {
		return err
	}
	shown := view.NoticesDocument{Migration: computed.Plan.Migration, Done: made.Done}
	for i := range made.List {
		n := &made.List[i]
		text, err := w.Text(n)
		if err != nil {
			return err
		}
		shown.Notices = append(shown.Notices, view.NoticeText{Notice: n, Text: text})
	}
	files := noticeFiles{flags: f, list: made.List, writer: w, made: computed.Plan.Dates.Computed}
	if s := computed.Plan.Config.Server(computed.Plan.Config.Migration.Source); s != nil {
		files.of = s.Name + " " + s.Address
	}
	if err := files.write(&shown); err != nil {
		return err
	}
	p.view().Notices(shown)
	return nil
}

// noticeFiles writes notices into files.
type noticeFiles struct {
	flags  noticeFlags
	list   []notice.Notice
	writer *notice.Writer
	of     string // source server
	made   time.Time
}

func (n *noticeFiles) write(shown *view.NoticesDocument) error {
	if n.flags.out != "" {
		if err := n.letters(shown); err != nil {
			return err
		}
	}
	if n.flags.csv != "" {
		table, err := notice.Table(n.list)
		if err == nil {
			err = n.file(shown, n.flags.csv, table)
		}
		if err != nil {
			return err
		}
	}
	if n.flags.ics == "" {
		return nil
	}
	calendar, err := n.writer.Calendar(n.list, n.of, n.made)
	if err != nil {
		return err
	}
	if calendar == nil {
		shown.NoCalendar = n.flags.ics
		return nil
	}
	return n.file(shown, n.flags.ics, calendar)
}

// letters writes the text of each account, and its event where a date is known.
func (n *noticeFiles) letters(shown *view.NoticesDocument) error {
	if err := os.MkdirAll(n.flags.out, 0o700); err != nil {
		return fmt.Errorf("write notices: %w", err)
	}
	for i := range shown.Notices {
		x := &shown.Notices[i]
		x.File = filepath.Join(n.flags.out, notice.FileName(x.Account, ".txt"))
		if err := store(x.File, notice.Letter(x.Notice, x.Text)); err != nil {
			return err
		}
		calendar, err := n.writer.Calendar(n.list[i:i+1], n.of, n.made)
		if err != nil {
			return err
		}
		event := filepath.Join(n.flags.out, notice.FileName(x.Account, ".ics"))
		if calendar == nil { // an earlier date does not hold any more
			if err := os.Remove(event); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("notice for %s: %w", schema.QuoteName(x.Account), err)
			}
			continue
		}
		if err := store(event, calendar); err != nil {
			return err
		}
	}
	shown.Dir = n.flags.out
	return nil
}

func (n *noticeFiles) file(shown *view.NoticesDocument, path string, content []byte) error {
	if err := store(path, content); err != nil {
		return err
	}
	shown.Files = append(shown.Files, path)
	return nil
}

// store writes a file in one move, for its owner to read.
func store(path string, content []byte) error {
	if err := renameio.WriteFile(path, content, 0o600, renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
