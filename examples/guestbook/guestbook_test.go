package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// serve runs the guestbook until the returned function is called.
func serve(t *testing.T, databases, home string) (*http.Client, func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "g")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, socket, databases, home, "shop <1>") }()
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	for range 1000 {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	var once sync.Once
	stop := func() {
		once.Do(func() {
			c.CloseIdleConnections()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return c, stop
}

func ask(t *testing.T, c *http.Client, method, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://g"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestGuestbook(t *testing.T) {
	databases, home := t.TempDir(), t.TempDir()
	c, stop := serve(t, databases, home)
	text := "hello <b> & é\nline"
	write := "/entries?id=x1&text=" + url.QueryEscape(text)
	for _, step := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/count", 200, "0\n"},
		{"POST", write, 201, "thank you\n"},
		{"POST", write, 200, "already\n"},
		{"POST", "/entries?id=x1&text=other", 409, ""},
		{"GET", "/entries?id=x1", 200, text},
		{"GET", "/entries?id=x2", 404, ""},
		{"POST", "/entries?id=../x&text=t", 400, ""},
		{"POST", "/entries?id=&text=t", 400, ""},
		{"POST", "/entries?id=" + strings.Repeat("a", 101), 400, ""},
		{"GET", "/count", 200, "1\n"},
		{"GET", "/slow?ms=1", 200, "done\n"},
		{"GET", "/slow?ms=x", 400, ""},
		{"GET", "/slow?ms=-1", 400, ""},
		{"GET", "/nothing", 404, ""},
	} {
		status, body := ask(t, c, step.method, step.path)
		if status != step.status || step.body != "" && body != step.body {
			t.Errorf("%s %s: %d %q, want %d %q", step.method, step.path, status, body, step.status, step.body)
		}
	}
	_, page := ask(t, c, "GET", "/")
	for _, want := range []string{"<h1>Guestbook of shop &lt;1&gt;</h1>", "1 entries", "hello &lt;b&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
	stop()
	data, err := os.ReadFile(filepath.Join(home, "entries", "x1.txt"))
	if err != nil || string(data) != text {
		t.Errorf("%q %v", data, err)
	}
	c, _ = serve(t, databases, home)
	if _, body := ask(t, c, "GET", "/count"); body != "1\n" {
		t.Errorf("after a restart: %s", body)
	}
}

// Of many that write the same id at once one is first, and its text stays.
func TestSameID(t *testing.T) {
	databases, home := t.TempDir(), t.TempDir()
	c, _ := serve(t, databases, home)
	for round := range 5 {
		var created, conflicts atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				switch status, body := ask(t, c, "POST", fmt.Sprintf("/entries?id=r%d&text=%d", round, i)); status {
				case 201:
					created.Add(1)
				case 409:
					conflicts.Add(1)
				default:
					t.Errorf("%d %s", status, body)
				}
			})
		}
		wg.Wait()
		if created.Load() != 1 || conflicts.Load() != 7 {
			t.Errorf("%d created, %d conflicts", created.Load(), conflicts.Load())
		}
		_, row := ask(t, c, "GET", fmt.Sprintf("/entries?id=r%d", round))
		file, err := os.ReadFile(filepath.Join(home, "entries", fmt.Sprintf("r%d.txt", round)))
		if err != nil || string(file) != row {
			t.Errorf("file %q, row %q: %v", file, row, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(home, "entries", ".new-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
}

func TestWithoutEnvironment(t *testing.T) {
	if err := run(t.Context(), "", "", "", ""); err == nil {
		t.Error("runs without its environment")
	}
}
