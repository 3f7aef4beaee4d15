// Package plan decides what remains to be done. Compute is pure: no clock, no
// network, no file, no context; the same input gives the same bytes, dates
// apart. It never touches a server; package apply does what it says.
package plan
