// Package program runs the programs of the accounts of a pocket server: the
// site's program, long-running ones and scheduled tasks. They are processes in
// sessions of their own that outlive the server's process, as services outlive
// an agent; the next server process finds them again. StopAll ends everything
// of an account, whatever it has forked, and says so only when nothing is left.
//
// # How a process is known to be an account's
//
// By any of: the marker STOPOVER_POCKET in its environment (inherited by all it
// starts), its session or process group, being a descendant of such a process,
// and the account's user if that is its own. An account without a user of its
// own can hide a process by clearing its environment and leaving its session
// and parent; StopAll still notices such a process if it has a file of the
// account open for writing, and refuses to say that the account is still.
package program
