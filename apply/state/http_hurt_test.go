package state_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stopover/stopover/apply/state"
)

// What is appended after a write whose answer was lost is written too, and what
// that write held is neither lost nor doubled.
func TestHTTPAnswerLostThenMore(t *testing.T) {
	g, address := newGitlab(t)
	ctx := context.Background()
	s := openHTTP(t, address, func(o *state.HTTPOptions) { o.Retries = -1 })
	put := func(n int) {
		t.Helper()
		if err := s.Append(ctx, state.Event{What: state.Noted, Attempt: n}); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	g.Before = func(q *http.Request) (int, bool) {
		return 0, q.Method == http.MethodPost && !strings.HasSuffix(q.URL.Path, "/lock") // done, and the answer is lost
	}
	put(2)
	if err := s.Flush(ctx); err == nil {
		t.Fatal("a lost answer was taken for one")
	}
	g.Before = nil
	put(3)
	numbers := func(s *state.HTTP) (out []int) {
		t.Helper()
		log, err := s.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range log.Events {
			out = append(out, e.Attempt)
		}
		return out
	}
	if got := fmt.Sprint(numbers(s)); got != "[1 2 3]" {
		t.Errorf("before the next write it reads %s", got)
	}
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(numbers(openHTTP(t, address))); got != "[1 2 3]" {
		t.Errorf("the store has %s", got)
	}
}

// A lock that the server does not let go of is somebody's: it is said, and the
// server is not asked a thousand times a second.
func TestHTTPLockThatStays(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked.Add(1)
		switch {
		case q.Method == http.MethodGet:
			w.WriteHeader(http.StatusNoContent)
		case q.Method == http.MethodPost && strings.HasSuffix(q.URL.Path, "/lock"):
			w.WriteHeader(http.StatusLocked)
			_, _ = io.WriteString(w, `{"ID":"x","Who":"bob","Created":"2026-01-01T00:00:00Z"}`)
		default:
			w.WriteHeader(http.StatusConflict)
		}
	}))
	t.Cleanup(server.Close)
	for name, try := range map[string]func(context.Context, *state.HTTP) error{
		"lock": func(ctx context.Context, s *state.HTTP) error {
			_, err := s.Lock(ctx, state.Holder{Who: "ann"})
			return err
		},
		"flush": func(ctx context.Context, s *state.HTTP) error {
			return errors.Join(s.Append(ctx, state.Event{What: state.Noted}), s.Flush(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			err := try(ctx, openHTTP(t, server.URL+"/state"))
			var locked *state.LockedError
			if !errors.As(err, &locked) || !strings.Contains(err.Error(), "bob") {
				t.Errorf("%v", err)
			}
			if n := asked.Load(); n > 2000 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// A server that refuses every write is said to, instead of being asked for ever.
func TestHTTPRefusesEveryWrite(t *testing.T) {
	g, address := newGitlab(t)
	g.Before = func(q *http.Request) (int, bool) {
		if q.Method == http.MethodPost && !strings.HasSuffix(q.URL.Path, "/lock") {
			return http.StatusUnprocessableEntity, false
		}
		return 0, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s := openHTTP(t, address)
	if err := s.Append(ctx, state.Event{What: state.Noted}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(ctx); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "422") {
		t.Errorf("%v", err)
	}
}

// A server that asks to come back tomorrow is not waited for: something may be
// held up.
func TestHTTPRetryAfter(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := openHTTP(t, server.URL+"/state").Load(ctx); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("%v", err)
	}
}

// A token in the query of an address is in no message.
func TestHTTPQueryIsNotShown(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Query().Get("private_token") != "s3cret" {
			t.Errorf("asked for %s", q.URL)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	gone := httptest.NewServer(nil)
	gone.Close()
	t.Cleanup(server.Close)
	for _, at := range []string{server.URL, gone.URL} {
		s := openHTTP(t, at+"/state?private_token=s3cret", func(o *state.HTTPOptions) { o.Password, o.Retries = "", -1 })
		_, err := s.Load(context.Background())
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v", err)
		}
	}
}

// Another tool's state at the address is left alone, and nobody is told to move
// it away.
func TestHTTPSomebodyElsesState(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"version":4,"serial":1,"lineage":"x"}`)
	}))
	t.Cleanup(server.Close)
	_, err := openHTTP(t, server.URL+"/state").Load(context.Background())
	if err == nil || strings.Contains(err.Error(), "move") || !strings.Contains(err.Error(), "another address") {
		t.Errorf("%v", err)
	}
}
