package view

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// page is a text that is shown in several ways: as text, as Markdown, as HTML.
// What is in it is clean; each way escapes what it has to.
type page struct {
	Title  string
	Lead   []string // the verdict, one sentence each
	Tone   string   // of the verdict: good | bad | wait
	Blocks []block
}

// block is one part of a page. Its kind says which of its fields count.
type block struct {
	Kind  string   // heading | text | list | table | command | more
	Text  string   // heading, text; command: all but its last word; more: its title
	Tone  string   // text: bad | warn | good | faint
	Items []string // list; command: its last word
	Head  []string
	Rows  [][]string
	Keep  []column // of a table
	Sub   []block  // more: what unfolds
}

// Formats in which a page can be had.
const (
	Text     = "text"
	JSON     = "json"
	Markdown = "markdown"
	HTML     = "html"
)

// Formats lists the formats of reports and plans.
func Formats() []string { return []string{Text, JSON, Markdown, HTML} }

func (p *page) heading(text string) { p.Blocks = append(p.Blocks, block{Kind: "heading", Text: text}) }

func (p *page) text(tone, text string) {
	p.Blocks = append(p.Blocks, block{Kind: "text", Tone: tone, Text: text})
}

func (p *page) list(items []string) {
	if len(items) > 0 {
		p.Blocks = append(p.Blocks, block{Kind: "list", Items: items})
	}
}

// codeIndent is how far a command stands in a page as text.
const codeIndent = "    "

func (p *page) command(start, word string) {
	p.Blocks = append(p.Blocks, block{Kind: "command", Text: start, Items: []string{word}})
}

func (p *page) table(head []string, rows [][]string, keep ...column) {
	p.Blocks = append(p.Blocks, block{Kind: "table", Head: head, Rows: rows, Keep: keep})
}

// more is what unfolds on request: in text it stands as it is.
func (p *page) more(title string, fill func(*page)) {
	var inner page
	fill(&inner)
	p.Blocks = append(p.Blocks, block{Kind: "more", Text: title, Sub: inner.Blocks})
}

// Command is a command as a shell reads it, for HTML and Markdown.
func (b *block) Command() string { return b.Text + shellWord(b.Items[0]) }

// print writes a page in a format, but JSON: that is what a page was made from.
func (v *View) print(p *page, format string) error {
	switch format {
	case Text, "":
		v.pageText(p)
		return nil
	case Markdown:
		return written(v.out, p.markdown())
	case HTML:
		return p.html(v.out)
	}
	return fmt.Errorf("there is no format %q; formats are %s", format, strings.Join(Formats(), ", "))
}

func written(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

// pageText prints a page as text.
func (v *View) pageText(p *page) {
	v.item("", "", nil, p.Title, v.style.bold)
	v.gap()
	for _, s := range p.Lead {
		v.item("", "", nil, s, v.toneInk(p.Tone))
	}
	v.blocks(p.Blocks)
	v.gap()
}

func (v *View) toneInk(tone string) ink {
	return map[string]ink{"good": v.style.green, "bad": v.style.red, "warn": v.style.yellow, "wait": v.style.yellow, "faint": v.style.faint}[tone]
}

func (v *View) blocks(list []block) {
	for i := range list {
		switch b := &list[i]; b.Kind {
		case "heading":
			v.heading(b.Text + ":")
		case "text":
			v.item("  ", "", nil, b.Text, v.toneInk(b.Tone))
		case "list":
			for _, s := range b.Items {
				v.item("  ", "-", nil, s, nil)
			}
		case "command":
			v.command(codeIndent, b.Text, b.Items[0])
		case "table":
			rows := b.Rows
			if len(b.Head) > 0 {
				rows = append([][]string{b.Head}, rows...)
			}
			v.table("  ", rows, b.Keep)
		case "more":
			v.item("  ", "", nil, b.Text+":", v.style.bold)
			v.blocks(b.Sub)
		}
	}
}

// seconds shows how late something was.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 0 {
		return took(-d) + " early"
	}
	return took(d) + " late"
}
