package agent

import (
	"context"
	"io"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// Doors says how the host treats an account's users.
type Doors string

// Doors. Held is between a freeze and what follows it: front connections wait.
const (
	DoorsServe    Doors = "serve"
	DoorsHeld     Doors = "held"
	DoorsRedirect Doors = "redirect"
	DoorsClosed   Doors = "closed"
)

// Place is where an account's data is on this host.
type Place struct {
	Files     string // directory
	Mail      string // directory
	Databases string // directory of database files
}

// Host is the server around an agent: doors, places and what is done to the
// whole machine. It decides nothing about ownership; the agent calls it after
// the record is durable.
type Host interface {
	// Hold shuts every door of an account: front connections wait, its programs
	// are ended, mail is deferred. It returns when nothing of the account can
	// write any more, or an error; then some doors may be shut.
	Hold(ctx context.Context, account string) error
	// Open sets the doors. For DoorsRedirect the peer's front and the epoch are
	// given. It is idempotent and does not wait for programs to come up.
	Open(account string, d Doors, front string, epoch uint64) error
	// Place returns where the account's data is; create makes an empty inactive
	// place for a copy.
	Place(account string, create bool) (Place, error)
	// Accounts lists the accounts that have a place here.
	Accounts() ([]string, error)
	// Settings is what of an account is not in its files, mail and databases.
	Settings(account string) ([]byte, error)
	// Settle stores the settings of a staged copy, adapted to this host.
	Settle(account string, settings []byte) ([]schema.Finding, error)
	// Redirects notes, durably, the names that a redirect is for, where nothing
	// else of the account is here.
	Redirects(account string, domains []string) error
	// Drop deletes an inactive copy.
	Drop(account string) error
	// Movable refuses an account that holds something which no part of a copy
	// would carry. It is asked again after the freeze, when nothing can come.
	Movable(account string) error
	// Databases lists the account's databases as they are now.
	Databases(account string) ([]schema.Database, error)
	// DatabaseNames lists them without opening them: those of a copy must not be.
	DatabaseNames(account string) ([]string, error)
	// OpenDatabase opens one database for copying it out of here.
	OpenDatabase(ctx context.Context, account, name string) (DatabaseOrigin, error)
	// CopyDatabase is the receiving end for one database of a staged copy.
	CopyDatabase(account, name string) DatabaseCopy
	// Trial makes an empty scratch place in which databases of an account are
	// tried; what an earlier one left there is gone. It is no place of the
	// account, and needs no record.
	Trial(account string) (Trial, error)
	// Copied notes that a part of a staged copy was brought to the state of an
	// epoch, for surveys; it is evidence, not a decision.
	Copied(account string, part schema.CopiedPart) error

	// Survey says what is there, records left out.
	Survey(ctx context.Context) (*schema.FoundServer, error)
	// Identity is how peers and probes reach this host.
	Identity() providers.Identity

	Reinstall(ctx context.Context, architecture schema.Architecture) error
	Listen(addresses []string) error
	// HandOver stops answering on addresses that another server is about to take
	// over, and takes them back if nobody does, also after a restart.
	HandOver(addresses []string) error
	Runtime(r schema.Runtime, restore bool) error
	Archive(ctx context.Context, account string) (digest string, err error)
	Residue() ([]schema.Residue, error)
	DisposeResidue(path, action string) (ref string, err error)
	PlaceResidue(path, ref string) error
	// Exit ends the server process after the answer is out; restart says that it comes up again by itself.
	Exit()
}

// DatabaseOrigin is one database of a live account, held so that little has to
// be copied once the account stands still.
type DatabaseOrigin interface {
	// Send writes what the receiver's copy, described by its manifest, lacks.
	Send(ctx context.Context, pass providers.Pass, manifest []byte, w io.Writer, progress func(done, total int64)) (Sent, error)
	// Warm hashes in full while in use; Digest hashes in the cut what may have
	// changed since. Both describe the origin's side of the comparison.
	Warm(ctx context.Context) error
	Digest(ctx context.Context, theirs []byte) (DatabaseDigest, error)
	Close() error
}

// DatabaseCopy is one database of a staged copy.
type DatabaseCopy interface {
	Manifest(ctx context.Context, pass providers.Pass) ([]byte, error)
	Receive(ctx context.Context, r io.Reader, progress func(done, total int64)) error
	Warm(ctx context.Context) error
	// Digest describes the receiver's side; scope is what the origin's side says
	// has to be hashed again.
	Digest(ctx context.Context, scope []byte) (DatabaseDigest, error)
	Remove() error
}

// Trial is a scratch place for the databases of one account.
type Trial interface {
	// About says where and with what they are tried.
	About() schema.TrialFact
	// Room refuses what the disk may not hold beside what has to stay free.
	Room(ctx context.Context, bytes int64) error
	// Database is the receiving end for one database. It and Try fail for names
	// that cannot be those of a database.
	Database(name string) (DatabaseCopy, error)
	// Try opens what was received and says what is wrong with it. The error is
	// for what could not be tried, for a reason that is not the database's.
	Try(ctx context.Context, name string) (schema.TriedDatabase, error)
	// Empty drops what was received.
	Empty() error
	// Drop drops the place.
	Drop() error
}

// Sent says what a database's pass did.
type Sent struct {
	Bytes, Total int64
	Notes        []string
	// Whole: what the receiver has now is the database as it was at one moment.
	// Otherwise it may be torn, until a final pass.
	Whole bool
}

// DatabaseDigest is one side of a database's comparison.
type DatabaseDigest struct {
	Digest string
	Hashed int64  // bytes hashed now
	Scope  []byte // what the other side has to hash again for its digest to be comparable
}
