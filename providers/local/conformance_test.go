package local_test

import (
	"os"
	"testing"

	"github.com/stopover/stopover/providers/providertest"
)

// self is the harness whose servers are processes of this test binary.
func self(t *testing.T) harness {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return harness{executable: exe}
}

func TestConformance(t *testing.T) {
	providertest.Run(t, self(t))
}

// recording is a harness that remembers the world it made.
type recording struct {
	harness
	made *world
}

func (r *recording) World(t *testing.T, accounts ...providertest.Account) providertest.World {
	t.Helper()
	r.made = r.world(t, accounts...)
	return r.made
}

// drive makes a world and drives it as a run does.
func drive(t *testing.T, h harness, accounts ...providertest.Account) (*providertest.Driver, *world) {
	t.Helper()
	r := &recording{harness: h}
	d := providertest.Start(t, r, accounts...)
	return d, r.made
}

func shop() providertest.Account {
	return providertest.Account{Name: "shop", Domain: "shop.example", Mailboxes: []string{"info"}, Databases: []string{"main"}}
}

// TestShipped takes an account out and home again between servers whose
// processes are those of the shipped program.
func TestShipped(t *testing.T) {
	t.Parallel()
	d, _ := drive(t, harness{executable: build(t)}, shop())
	d.Move("shop", source, 0)
	d.Answers(transit, "shop.example")
	d.Answers(source, "shop.example")
	d.Move("shop", transit, 1)
	d.Answers(source, "shop.example")
}

const (
	source  = providertest.Source
	transit = providertest.Transit
)
