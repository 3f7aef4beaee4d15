package view

import (
	"html/template"
	"io"
)

// html writes a page that needs nothing but itself: no script, no picture, no
// font from elsewhere. html/template escapes everything that is put into it.
func (p *page) html(w io.Writer) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}

// pageHTML is the template of a page. Numbers stand at the right; whoever
// prefers a dark page gets one; on paper everything is unfolded by the reader.
const pageHTML = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark; --line: #8886; --faint: #777; --good: #186a32; --bad: #b3261e; --warn: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --faint: #aaa; --good: #6fcf8d; --bad: #ff8a80; --warn: #f0c060 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid var(--line) }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line) }
pre { background: #8882; padding: .6rem .8rem; white-space: pre-wrap }
.lead { font-size: 1.1rem } .good { color: var(--good) } .bad { color: var(--bad) } .warn, .wait { color: var(--warn) } .faint { color: var(--faint) }
summary { cursor: pointer }
</style>
</head>
<body>
<h1>{{.Title}}</h1>
{{$tone := .Tone}}{{range $i, $s := .Lead}}<p class="lead{{if eq $i 0}} {{$tone}}{{end}}">{{$s}}</p>
{{end}}{{template "blocks" .Blocks}}</body>
</html>
{{define "blocks"}}{{range .}}{{if eq .Kind "heading"}}<h2>{{.Text}}</h2>
{{else if eq .Kind "text"}}<p class="{{.Tone}}">{{.Text}}</p>
{{else if eq .Kind "list"}}<ul>{{range .Items}}<li>{{.}}</li>{{end}}</ul>
{{else if eq .Kind "command"}}<pre>{{.Command}}</pre>
{{else if eq .Kind "table"}}<table>
{{if .Head}}<tr>{{range .Head}}<th>{{.}}</th>{{end}}</tr>
{{end}}{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</table>
{{else if eq .Kind "more"}}<details><summary>{{.Text}}</summary>
{{template "blocks" .Sub}}</details>
{{end}}{{end}}{{end}}`
