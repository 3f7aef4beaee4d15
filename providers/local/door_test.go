package local

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/local/front"
)

func doorHost(t *testing.T) *Host {
	t.Helper()
	dir, err := os.MkdirTemp("", "pocket-") // short, for the sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.MkdirAll(filepath.Join(dir, "accounts", "shop", "home", "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := description.WriteServer(dir, &description.Server{Name: "one", Architecture: "a"}); err != nil {
		t.Fatal(err)
	}
	a := &description.Account{Name: "shop", Domains: []description.Domain{{Name: "shop.example"}}, Site: &description.Site{Kind: description.SiteStatic}}
	if err := description.WriteAccount(dir, a); err != nil {
		t.Fatal(err)
	}
	h, err := newHost(dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	h.failed = func(string) {}
	t.Cleanup(func() { h.opening.Wait(); h.programs.Close() })
	return h
}

func serves(t *testing.T, h *Host) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); h.front.Mode("shop").Kind != front.Serve; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still %v", h.front.Mode("shop").Kind)
		}
	}
}

func open1(t *testing.T, h *Host) {
	t.Helper()
	if err := h.Open("shop", agent.DoorsServe, "", 1); err != nil {
		t.Fatal(err)
	}
}

// Two equal orders are one: the second must not end what the first has begun.
func TestOpenedTwice(t *testing.T) {
	for range 20 {
		h := doorHost(t)
		open1(t, h)
		open1(t, h)
		serves(t, h)
	}
}

// A closing that was broken off leaves half-closed doors, which the order to
// open must open although it was the last one that had succeeded.
func TestOpenedAfterHalfAHold(t *testing.T) {
	h := doorHost(t)
	open1(t, h)
	serves(t, h)
	// Somebody who is no program of the account writes into it: the front is
	// held by then, and the rest is refused.
	f, err := os.Create(filepath.Join(h.dir, "accounts", "shop", "home", "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stranger := exec.Command("sleep", "60")
	stranger.Stdout = f
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	err = h.Hold(context.Background(), "shop")
	if kerr := stranger.Process.Kill(); kerr != nil {
		t.Fatal(kerr)
	}
	_ = stranger.Wait()
	if err == nil || h.front.Mode("shop").Kind != front.Hold {
		t.Fatalf("held although somebody writes: %v, %v", err, h.front.Mode("shop").Kind)
	}
	open1(t, h)
	serves(t, h)
}
