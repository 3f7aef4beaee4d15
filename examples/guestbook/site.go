package main

import (
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxText  = 1 << 20 // bytes
	maxSlow  = time.Minute
	maxIDLen = 100
)

type site struct {
	book  *book
	title string
	page  *template.Template
}

const pageText = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Guestbook of {{.Title}}</title></head>
<body>
<h1>Guestbook of {{.Title}}</h1>
<p>{{.Count}} entries so far.</p>
<ul>
{{range .Last}}<li>{{.}}</li>
{{end}}</ul>
<form method="post" action="/entries">
<input type="hidden" name="id" value="{{.ID}}">
<textarea name="text" rows="3" cols="40"></textarea>
<button>Sign</button>
</form>
</body>
</html>
`

func newSite(b *book, title string) http.Handler {
	s := &site{book: b, title: title, page: template.Must(template.New("page").Parse(pageText))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /count", s.count)
	mux.HandleFunc("GET /entries", s.read)
	mux.HandleFunc("POST /entries", s.write)
	mux.HandleFunc("GET /slow", s.slow)
	return mux
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	n, err := s.book.count(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	last, err := s.book.last(r.Context(), 10)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	err = s.page.Execute(w, map[string]any{"Title": s.title, "Count": n, "Last": last, "ID": time.Now().UnixNano()})
	if err != nil {
		log.Printf("write page: %v", err)
	}
}

func (s *site) count(w http.ResponseWriter, r *http.Request) {
	n, err := s.book.count(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	fmt.Fprintln(w, n)
}

func (s *site) read(w http.ResponseWriter, r *http.Request) {
	text, err := s.book.read(r.Context(), r.FormValue("id"))
	switch {
	case errors.Is(err, errNoEntry):
		http.Error(w, "no such entry", http.StatusNotFound)
	case err != nil:
		fail(w, err)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, text)
	}
}

// write answers 201 when the entry is durable, 200 "already" when the same one
// was there, and 409 when another one has its id.
func (s *site) write(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxText+4096)
	id, text := r.FormValue("id"), r.FormValue("text")
	if !plainID(id) || len(text) > maxText {
		http.Error(w, "an id of at most 100 letters, digits, - and _ is needed, and a text of at most 1 MiB", http.StatusBadRequest)
		return
	}
	err := s.book.write(r.Context(), id, text)
	switch {
	case errors.Is(err, errAlready):
		fmt.Fprintln(w, "already")
	case errors.Is(err, errOther):
		http.Error(w, "another entry has this id", http.StatusConflict)
	case err != nil:
		fail(w, err)
	default:
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintln(w, "thank you")
	}
}

func (s *site) slow(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.FormValue("ms"))
	if err != nil || ms < 0 || time.Duration(ms)*time.Millisecond > maxSlow {
		http.Error(w, "ms has to be a number of milliseconds up to 60000", http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		fmt.Fprintln(w, "done")
	case <-r.Context().Done():
	}
}

func plainID(id string) bool {
	strange := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}
	return id != "" && len(id) <= maxIDLen && !strings.ContainsFunc(id, strange)
}

func fail(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, "the guestbook does not work at the moment", http.StatusInternalServerError)
}
