package schema

// Table is one table of a database.
type Table struct {
	Name      string `json:"name"` // PostgreSQL: schema.table
	Engine    string `json:"engine,omitempty"`
	Rows      int64  `json:"rows"`
	Estimated bool   `json:"estimated,omitempty"` // Rows is the engine's estimate: counting would have taken long
	Bytes     int64  `json:"bytes"`
	Charset   string `json:"charset,omitempty"`
	Collation string `json:"collation,omitempty"`
	RowFormat string `json:"row_format,omitempty"`
	// Key is what identifies a row for replication: primary, unique (without NULL),
	// full (PostgreSQL: REPLICA IDENTITY FULL), nothing, or empty: there is none.
	Key string `json:"key,omitempty"`
	// LongIndexes are indexes whose prefix is longer than 767 bytes.
	LongIndexes []string `json:"long_indexes,omitempty"`
}

// Routine is a stored program, view, event or trigger.
type Routine struct {
	Kind    string `json:"kind"` // function | procedure | event | trigger | view
	Name    string `json:"name"`
	Definer string `json:"definer,omitempty"`  // user@host; PostgreSQL: owner
	SQLMode string `json:"sql_mode,omitempty"` // MariaDB: under which it was made
}

// ObjectDetail is what a server's survey knows of a database beside its size.
type ObjectDetail struct {
	Charset      string     `json:"charset,omitempty"`
	Collation    string     `json:"collation,omitempty"`
	Owner        string     `json:"owner,omitempty"`       // PostgreSQL: role
	Provider     string     `json:"provider,omitempty"`    // PostgreSQL: libc | icu
	CollVersion  string     `json:"collversion,omitempty"` // PostgreSQL: of the library when the database was made
	Rows         int64      `json:"rows"`                  // of all tables
	Tables       []Table    `json:"tables,omitempty"`
	Routines     []Routine  `json:"routines,omitempty"`
	Extensions   []Software `json:"extensions,omitempty"`    // PostgreSQL
	Collations   []UsedColl `json:"collations,omitempty"`    // PostgreSQL: other collations that columns and indexes use
	LargeObjects int64      `json:"large_objects,omitempty"` // PostgreSQL
	Sequences    int64      `json:"sequences,omitempty"`
	// Unlogged are tables that no replication carries (UNLOGGED; engine MEMORY).
	Unlogged []string `json:"unlogged,omitempty"`
	// OldTypes are columns of types that newer versions do not have: "t.c abstime".
	OldTypes []string `json:"old_types,omitempty"`
	// LargestRow is the largest value that was seen in a column, in bytes, as far
	// as the engine's statistics tell; 0: not known.
	LargestRow int64  `json:"largest_row,omitempty"`
	Error      string `json:"error,omitempty"` // why its inside could not be read
}

// UsedColl is a collation that objects of a database use.
type UsedColl struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // recorded when it was made
	Objects int64  `json:"objects"`           // indexes that depend on it
}

// DatabaseUser is a user or role of an engine.
type DatabaseUser struct {
	Engine string   `json:"engine"`
	Name   string   `json:"name"`
	Host   string   `json:"host,omitempty"`   // MariaDB
	Plugin string   `json:"plugin,omitempty"` // how it authenticates
	Grants []string `json:"grants,omitempty"` // without passwords and their hashes
	// Attributes of a role: superuser, createdb, createrole, replication, login.
	Attributes []string `json:"attributes,omitempty"`
}
