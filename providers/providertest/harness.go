package providertest

import (
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// Side is one server of a pair.
type Side string

// The two servers. The transit server is absent when a world begins.
const (
	Source  Side = "source"
	Transit Side = "transit"
)

// Other is the server on the other side.
func (s Side) Other() Side {
	if s == Source {
		return Transit
	}
	return Source
}

// Account is a sample account that a harness puts on the source before its
// agent runs for the first time.
type Account struct {
	Name      string
	Domain    string   // its site shows the files of home/www; empty: it has no site
	Mailboxes []string // users at Domain
	Databases []string // each with a table that Insert and Rows know
	Program   bool     // it runs one program, called "sleeper"
	Task      bool     // it has one task, called "yearly"
	// Fill puts files into its home; nil: only what Domain needs. It must leave
	// www/index.html alone, which says the account's domain.
	Fill func(home string) error
}

// Runtime is a runtime that every world's source has installed, and that its
// architecture offers.
func Runtime() schema.Runtime { return schema.Runtime{Name: "sample", Version: "1"} }

// Harness makes worlds of one kind of server.
type Harness interface {
	Kind() providers.Kind
	// World makes a source with these accounts and a place for a transit server.
	// It ends what it started when the test ends, also when the test failed.
	World(t *testing.T, accounts ...Account) World
}

// Damage is what a World can do to a database of an account, for trials.
type Damage string

// Damages.
const (
	Corrupt  Damage = "corrupt"  // some of its pages are garbage
	Dangling Damage = "dangling" // it has a view, or what is like one, of something that is not there
)

// Trials is what a World has beside the rest if its servers can try databases.
type Trials interface {
	Damage(side Side, account, database string, d Damage) error
	// Shrink leaves the server room for so many bytes more; negative: as much as
	// there was. The server may be started anew for that.
	Shrink(side Side, bytes int64) error
	// Scratch lists what trials have left on a server, of whatever kind.
	Scratch(Side) []string
}

// World is a pair of servers and what is seen of them from outside.
type World interface {
	Env() providers.Env
	Config(Side) schema.Server         // as the configuration would have it
	Architecture() schema.Architecture // of the transit server, and of the source once it is reinstalled

	Kill(Side)   // ends the agent's process at once, as SIGKILL does; programs of accounts go on
	Start(Side)  // starts the agent's process as an init would, without any client; no error if it runs
	Reboot(Side) // ends everything that runs on the server; the next start is on another boot
	Running(Side) bool

	// Cut makes the next streams that this server opens to its peer break after
	// some bytes; -1 ends that.
	Cut(side Side, after int)
	// Place is where an account's files (home) and mail are, as seen by the test.
	Place(side Side, account string) (home, mail string)
	// Insert adds a row to a database of an account that is active there; Rows
	// lists all rows in order.
	Insert(side Side, account, database, row string) error
	Rows(side Side, account, database string) ([]string, error)
	// Litter puts a file on the server that no account owns, and returns the path
	// under which a survey lists it.
	Litter(side Side, name, content string) (path string)
	// Littered reads it; ok says whether it is there.
	Littered(side Side, name string) (content string, ok bool)
	// Snapshot is a digest of all that the server keeps, run state (sockets, pids,
	// logs, locks) left out.
	Snapshot(Side) string
}
