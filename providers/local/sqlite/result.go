package sqlite

import "time"

// Progress is reported now and then while a call runs.
type Progress struct {
	Done, Total int64 // bytes looked at; Total is a guess while the file grows
}

// Stats counts what one call did.
type Stats struct {
	BytesSent      int64 // over the wire, framing included
	BlocksCompared int64
	BlocksSent     int64
	WALBytes       int64         // of the WAL that can matter
	Begin          time.Duration // checkpoint and start of the hold, or recovery in the cut
	Database       time.Duration
	WAL            time.Duration
	Replay         time.Duration // receiver: SQLite replays the WAL
	Sync           time.Duration // receiver: to the disk
}

// Result is what one call of a session did.
type Result struct {
	Stats Stats
	Kind  Kind
	// Held says that the database is held: bytes sent stay good, and the cut will only cost what changes from now on.
	Held bool
	// Whole says of a pass that what the receiver has now, database and WAL, is
	// the database as it was at one moment: it was held, or nothing wrote to it.
	Whole bool
	// Notes are sentences for people: why the cut will cost, or cost, more than it should.
	Notes []string
}
