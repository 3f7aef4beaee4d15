package state_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/apply/state/statetest"
	"github.com/stopover/stopover/apply/state/statetest/gitlab"
	"github.com/stopover/stopover/schema"
)

func newGitlab(t *testing.T) (*gitlab.Server, string) {
	g := gitlab.New()
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return g, s.URL + gitlab.Prefix + "spring"
}

func openHTTP(t *testing.T, address string, change ...func(*state.HTTPOptions)) *state.HTTP {
	t.Helper()
	o := state.HTTPOptions{Address: address, Username: gitlab.User, Password: gitlab.Password,
		Lease: 400 * time.Millisecond, Beat: 40 * time.Millisecond, RetryWait: time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	s, err := state.OpenHTTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHTTPStore(t *testing.T) {
	for _, conflict := range []int{http.StatusConflict, http.StatusLocked} {
		t.Run(fmt.Sprint(conflict), func(t *testing.T) {
			statetest.Run(t, func(t *testing.T) statetest.Store {
				g, address := newGitlab(t)
				g.Conflict = conflict
				silence := func(s state.Store) { state.SilenceHTTP(s.(*state.HTTP)) }
				return statetest.Store{Open: func() state.Store { return openHTTP(t, address) }, Silence: silence, Kill: silence}
			})
		})
	}
}

// Answers that are lost, and servers that are away for a moment, lose and
// double nothing.
func TestHTTPLosesNothing(t *testing.T) {
	g, address := newGitlab(t)
	n := 0
	g.Before = func(q *http.Request) (int, bool) {
		n++
		switch n % 5 {
		case 0:
			return http.StatusBadGateway, false
		case 2:
			return 0, true
		}
		return 0, false
	}
	ctx := context.Background()
	s := openHTTP(t, address)
	for i := range 30 {
		if err := s.Append(ctx, state.Event{What: state.Noted, Attempt: i + 1}); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	log, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(log.Events) != 30 {
		t.Fatalf("%d events of 30", len(log.Events))
	}
	for i, e := range log.Events {
		if e.Attempt != i+1 {
			t.Fatalf("event %d is number %d", i, e.Attempt)
		}
	}
}

// The lock of the journal is held for a write only. One that a killed process
// left behind is broken after a lease.
func TestHTTPJournalLockLeftBehind(t *testing.T) {
	g, address := newGitlab(t)
	g.States["spring"] = &gitlab.State{Serials: map[float64]bool{}, Lock: map[string]any{"ID": "dead", "Who": "x"}}
	s := openHTTP(t, address)
	ctx := context.Background()
	if err := s.Append(ctx, state.Event{What: state.Noted}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if g.States["spring"].Lock != nil {
		t.Error("the journal stays locked")
	}
}

// Whoever lost the lock is told, and writes nothing any more.
func TestHTTPLockTakenAway(t *testing.T) {
	g, address := newGitlab(t)
	s := openHTTP(t, address)
	ctx := context.Background()
	l, err := s.Lock(ctx, state.Holder{Who: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	g.Lock()
	g.States["spring-run"].Lock = nil // somebody pressed "unlock" in the web page
	g.Unlock()
	select {
	case <-l.Lost():
	case <-time.After(30 * time.Second):
		t.Fatal("nobody was told")
	}
	if err := s.Append(ctx, state.Event{What: state.Noted}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("append: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestHTTPThatIsWrong(t *testing.T) {
	ctx := context.Background()
	load := func(address string, change ...func(*state.HTTPOptions)) error {
		_, err := openHTTP(t, address, change...).Load(ctx)
		return err
	}
	_, address := newGitlab(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/moved":
			http.Redirect(w, q, "https://ann:pw@gitlab.example.org/x", http.StatusMovedPermanently)
		case "/html":
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "<html>\x1b[31mhello</html>")
		case "/tfstate":
			_, _ = io.WriteString(w, `{"version":4,"serial":1,"lineage":"x"}`)
		case "/busy":
			w.WriteHeader(http.StatusTooManyRequests)
		case "/bomb":
			_, _ = io.WriteString(w, `{"format":"stopover journal","version":1,"serial":1,"lineage":"x","lines":"aGVsbG8="}`)
		case "/newer":
			_, _ = io.WriteString(w, `{"format":"stopover journal","version":99}`)
		}
	}))
	t.Cleanup(other.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	few := func(o *state.HTTPOptions) { o.Retries = -1 }
	cases := map[string]struct {
		err  error
		want string
	}{
		"password": {load(address, func(o *state.HTTPOptions) { o.Password = "wr0ng" }), "refuses the credentials (401)"},
		"moved":    {load(other.URL+"/moved", few), `write address = "https://ann:xxxxx@gitlab.example.org/x"`},
		"html":     {load(other.URL+"/html", few), "is this the address of a state"},
		"tfstate":  {load(other.URL+"/tfstate", few), "another tool keeps its state"},
		"busy":     {load(other.URL+"/busy", few), "try again later"},
		"bomb":     {load(other.URL+"/bomb", few), "cannot be unpacked"},
		"newer":    {load(other.URL+"/newer", few), "newer Stopover"},
		"gone":     {load(gone.URL+"/x", few), "connection refused"},
	}
	for name, c := range cases {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) || strings.Contains(c.err.Error(), "\x1b") || strings.Contains(c.err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", name, c.err, c.want)
		}
	}
	for address, want := range map[string]string{"": "no http", "ftp://x/y": "no http", "https://ann:pw@x/y": "holds a user name"} {
		if _, err := state.OpenHTTP(state.HTTPOptions{Address: address}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw@") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := state.OpenHTTP(state.HTTPOptions{Address: "https://x/y", RunAddress: "https://x/y"}); err == nil {
		t.Error("one address for both was accepted")
	}
}

// A journal that was changed behind our back is refused, not believed.
func TestHTTPJournalChanged(t *testing.T) {
	g, address := newGitlab(t)
	ctx := context.Background()
	s := openHTTP(t, address)
	for i := range 3 {
		if err := errors.Join(s.Append(ctx, state.Event{What: state.Noted, Attempt: i, Fact: &schema.Fact{ID: "x"}}), s.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	good := g.States["spring"].Body
	var d map[string]any
	if err := json.Unmarshal(good, &d); err != nil {
		t.Fatal(err)
	}
	lines := d["lines"].(string)
	for i := 0; i < len(lines); i += 7 {
		if lines[i] == 'B' {
			continue
		}
		d["lines"] = lines[:i] + "B" + lines[i+1:]
		b, _ := json.Marshal(d)
		g.States["spring"].Body = b
		log, err := openHTTP(t, address).Load(ctx)
		var corrupt *state.CorruptError
		if err != nil && !errors.As(err, &corrupt) {
			t.Errorf("byte %d: %v", i, err)
		}
		if err == nil && !cmp.Equal(log.Events, want.Events) {
			t.Errorf("byte %d was changed and believed", i)
		}
	}
}

func FuzzHTTPState(f *testing.F) {
	g := gitlab.New()
	server := httptest.NewServer(g)
	defer server.Close()
	s, err := state.OpenHTTP(state.HTTPOptions{Address: server.URL + gitlab.Prefix + "spring", Username: gitlab.User, Password: gitlab.Password})
	if err != nil {
		f.Fatal(err)
	}
	ctx := context.Background()
	if err := errors.Join(s.Append(ctx, state.Event{What: state.Noted}), s.Flush(ctx)); err != nil {
		f.Fatal(err)
	}
	f.Add(g.States["spring"].Body)
	f.Add([]byte(`{"format":"stopover journal","version":1,"serial":18446744073709551615,"lineage":"","lines":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		log, err := state.ReadHTTP(b)
		if (log == nil) == (err == nil) {
			t.Fatalf("%v %v", log, err)
		}
	})
}
