// Package sqlite moves one SQLite database file of an account from the server
// it lives on (the origin) to another (the receiver): the bulk while programs
// of the account use it, and inside the cut only what changed since.
//
// # How it works for a database in WAL mode
//
// The origin opens the database, checkpoints it passively, begins a read
// transaction and holds it (see [Session]). SQLite keeps two promises to such
// a reader. Frames that were committed before its snapshot may be written back
// into the database file, but they stay in the WAL, because the WAL cannot be
// started over while the reader is there. Frames committed after its snapshot
// are not written back at all. (A reader whose snapshot is the bare database
// file lets the WAL start over once, and then nothing is written back.) So
// while the transaction is held, every byte of the database file that changes
// is also in the WAL, and
//
//	the file as read at any moment of the hold  +  the WAL after the last writer is dead
//
// is the exact final database, whatever mixture of old and new pages the
// reading caught. [Session.Pass] and [Session.CatchUp] send the file and the
// WAL so far, as often as wanted; [Session.Final] sends what the WAL has
// gained; SQLite itself replays it at the receiver. The cost of the cut
// depends on what was written since the last pass, not on the size. Nothing is
// written at the origin inside the cut, so an account that thaws there goes on
// as if nothing had been.
//
// A writer that was killed after writing the last frame of a transaction, but
// before telling the others, leaves a commit that nobody saw and nobody was
// told of. The receiver has it, because SQLite finds it when it reads the WAL;
// so would the origin after a restart of its programs.
//
// # Databases in rollback mode, and files that are no databases
//
// A lock that keeps such a file still would stop the account's writers, so
// none is taken. Passes copy what they see. In the cut the whole file is read
// and compared, unless it is proved unchanged since a pass read it (inode,
// size, both times, change counter, no journal). A hot journal is rolled back
// by SQLite first. [Result.Notes] says when the whole file is compared.
//
// # Locks
//
// A process loses all its POSIX record locks on a file when it closes any
// descriptor of that file, and SQLite's locks are such locks. An agent that
// copies files would drop the hold without noticing. Therefore a session
// doubles SQLite's locks with open-file-description locks on descriptors of
// its own, which nothing but closing those descriptors releases. The short
// moments when SQLite opens and checkpoints are not covered by that; a
// [Keeper] keeps them apart from the closing of files, and other code of the
// process that reads database files closes them with [Keeper.CloseFile].
//
// # Rights
//
// What lies beside a database is the account's, and SQLite acts on it. An
// agent that runs as root therefore lets SQLite work at the origin with the
// file rights of the owner, on the thread of the call alone. Where these do not
// suffice (a directory that the owner cannot write to), the database is not
// held, and the cut compares the whole file.
package sqlite
