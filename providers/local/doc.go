// Package local is the embedded default: pocket servers. A pocket server is a
// directory and a process on this machine that serves accounts with real files,
// mail and SQLite databases on a loopback address. It is started on demand by
// the tool, outlives it, and ends when it is told to or idle. It keeps the same
// records and follows the same ownership protocol as a Linux host.
package local
