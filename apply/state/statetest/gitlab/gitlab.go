// Package gitlab is a server for tests that answers as GitLab does for the
// Terraform states of a project.
package gitlab

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// What the server takes for good credentials.
const (
	User     = "ann"
	Password = "s3cret"
)

// Prefix is where the states are; the name of one follows.
const Prefix = "/api/v4/projects/7/terraform/state/"

// Server answers as GitLab does, as far as its documentation and its public API
// code say: 404 before a state was locked, 204 before it was written; lock and
// unlock below the state; a write needs the ID of the lock, also none if there is
// none; a serial can be written once; answers to lock name the token's owner; the
// lock never expires. Its fields may be changed while Locked.
type Server struct {
	sync.Mutex
	States   map[string]*State
	Conflict int                                           // status for a lock that is somebody else's: 409 in earlier versions, 423 in later ones
	Before   func(q *http.Request) (status int, drop bool) // faults: an answer instead, or none after it was done
	Writes   int
}

// State is one state of the project.
type State struct {
	Lock    map[string]any
	Serials map[float64]bool
	Body    []byte
}

// New returns a server without states.
func New() *Server {
	return &Server{States: map[string]*State{}, Conflict: http.StatusConflict}
}

func (g *Server) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if user, pass, _ := q.BasicAuth(); user != User || pass != Password {
		http.Error(w, `{"message":"401 Unauthorized"}`, http.StatusUnauthorized)
		return
	}
	g.Lock()
	defer g.Unlock()
	drop := false
	if g.Before != nil {
		var status int
		if status, drop = g.Before(q); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	name, ok := strings.CutPrefix(q.URL.Path, Prefix)
	if !ok {
		http.Error(w, "<html>not found</html>", http.StatusNotFound)
		return
	}
	body, _ := io.ReadAll(q.Body)
	name, locking := strings.CutSuffix(name, "/lock")
	status, answer := g.answer(name, locking, q, body)
	if drop { // it was done, and the answer is lost
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (g *Server) answer(name string, locking bool, q *http.Request, body []byte) (int, []byte) {
	s := g.States[name]
	if q.Method == http.MethodGet {
		switch {
		case s == nil:
			return http.StatusNotFound, []byte(`{"message":"404 Not found"}`)
		case s.Body == nil:
			return http.StatusNoContent, nil
		}
		return http.StatusOK, s.Body
	}
	if s == nil {
		s = &State{Serials: map[float64]bool{}}
		g.States[name] = s
	}
	switch {
	case locking && q.Method == http.MethodPost:
		return g.lock(s, body)
	case locking && q.Method == http.MethodDelete:
		return g.unlock(s, q.URL.Query().Get("ID"), body)
	case q.Method == http.MethodPost:
		return g.write(s, q.URL.Query().Get("ID"), body)
	}
	return http.StatusMethodNotAllowed, nil
}

func (g *Server) lock(s *State, body []byte) (int, []byte) {
	var info map[string]any
	if json.Unmarshal(body, &info) != nil {
		return http.StatusBadRequest, nil
	}
	for _, k := range []string{"ID", "Operation", "Info", "Who", "Version", "Created", "Path"} {
		if v, _ := info[k].(string); v == "" {
			return http.StatusBadRequest, fmt.Appendf(nil, `{"error":"%s is missing"}`, k)
		}
	}
	status := http.StatusOK
	if s.Lock != nil {
		status = g.Conflict
	} else {
		info["Who"] = "ann-of-gitlab"
		s.Lock = info
	}
	b, _ := json.Marshal(s.Lock)
	return status, b
}

func (g *Server) unlock(s *State, id string, body []byte) (int, []byte) {
	if id == "" {
		var info map[string]any
		_ = json.Unmarshal(body, &info)
		id, _ = info["ID"].(string)
	}
	if id != "" && (s.Lock == nil || s.Lock["ID"] != id) {
		return g.Conflict, nil
	}
	s.Lock = nil
	return http.StatusOK, nil
}

func (g *Server) write(s *State, id string, body []byte) (int, []byte) {
	holder := ""
	if s.Lock != nil {
		holder, _ = s.Lock["ID"].(string)
	}
	if id != holder {
		return g.Conflict, nil
	}
	var doc map[string]any
	if json.Unmarshal(body, &doc) != nil {
		return http.StatusUnprocessableEntity, nil
	}
	serial, ok := doc["serial"].(float64)
	if !ok || s.Serials[serial] {
		return http.StatusUnprocessableEntity, []byte(`{"message":"version has already been taken"}`)
	}
	s.Serials[serial], s.Body = true, body
	g.Writes++
	return http.StatusOK, nil
}
