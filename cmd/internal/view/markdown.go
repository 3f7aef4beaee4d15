package view

import (
	"fmt"
	"strings"
)

// mostMarkdown is how many bytes a merge request's comment may have. What is
// beyond it is left out, and that is said.
const mostMarkdown = 65000

// marker lets a bot find its own comment again.
const marker = "<!-- stopover -->\n"

// markdown writes a page for a merge request: GitHub's and GitLab's dialect.
func (p *page) markdown() string {
	var b strings.Builder
	b.WriteString(marker)
	fmt.Fprintf(&b, "## %s\n\n", md(p.Title))
	for i, s := range p.Lead {
		if i == 0 {
			fmt.Fprintf(&b, "**%s**\n\n", md(s))
			continue
		}
		fmt.Fprintf(&b, "%s\n\n", md(s))
	}
	for i := range p.Blocks {
		var part strings.Builder
		markdownBlock(&part, &p.Blocks[i])
		if b.Len()+part.Len() > mostMarkdown {
			fmt.Fprintf(&b, "*%s left out, because a comment may not be longer; the text of the plan has them.*\n", plural(len(p.Blocks)-i, "part"))
			break
		}
		b.WriteString(part.String())
	}
	return b.String()
}

func markdownBlock(b *strings.Builder, x *block) {
	switch x.Kind {
	case "heading":
		fmt.Fprintf(b, "### %s\n\n", md(x.Text))
	case "text":
		text := md(x.Text)
		if x.Tone == "bad" {
			text = "**" + text + "**"
		}
		fmt.Fprintf(b, "%s\n\n", text)
	case "list":
		for _, s := range x.Items {
			fmt.Fprintf(b, "- %s\n", md(s))
		}
		b.WriteString("\n")
	case "command":
		fence := "```"
		for strings.Contains(x.Command(), fence) {
			fence += "`"
		}
		fmt.Fprintf(b, "%ssh\n%s\n%s\n\n", fence, x.Command(), fence)
	case "table":
		markdownTable(b, x)
	case "more":
		fmt.Fprintf(b, "<details><summary>%s</summary>\n\n", md(x.Text))
		for i := range x.Sub {
			markdownBlock(b, &x.Sub[i])
		}
		b.WriteString("</details>\n\n")
	}
}

func markdownTable(b *strings.Builder, x *block) {
	n := len(x.Head)
	for _, r := range x.Rows {
		n = max(n, len(r))
	}
	row := func(cells []string) {
		b.WriteString("|")
		for i := range n {
			c := ""
			if i < len(cells) {
				c = md(cells[i])
			}
			b.WriteString(" " + c + " |")
		}
		b.WriteString("\n")
	}
	row(x.Head)
	b.WriteString("|")
	for i := range n {
		if kind(x.Keep, i) == numeric {
			b.WriteString("---:|")
		} else {
			b.WriteString("---|")
		}
	}
	b.WriteString("\n")
	for _, r := range x.Rows {
		row(r)
	}
	b.WriteString("\n")
}

// md writes a clean text so that no Markdown is read into it: neither markup
// nor HTML, no mention of a person, no reference to an issue, no emoji, no link.
func md(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case strings.IndexByte("\\`*_[]<>|~$^{}", c) >= 0,
			strings.IndexByte("#+-=!", c) >= 0 && i == 0,
			(c == '.' || c == ')') && atStart(s[:i]) && (i+1 == len(s) || s[i+1] == ' '):
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '&':
			b.WriteString("&amp;")
		case c == '@':
			b.WriteString("&#64;")
		case c == '#', c == '!' && i+1 < len(s) && digit(s[i+1]): // GitLab takes !1 for a merge request
			fmt.Fprintf(&b, "&#%d;", c)
		case c == ':' && i+1 < len(s) && s[i+1] != ' ' && !(i > 0 && digit(s[i-1]) && digit(s[i+1])):
			b.WriteString("&#58;")
		case c == '.' && i >= 3 && strings.EqualFold(s[i-3:i], "www"):
			b.WriteString("&#46;")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// atStart says whether only digits come before: with a full stop they would
// begin a list.
func atStart(before string) bool { return before != "" && strings.Trim(before, "0123456789") == "" }
