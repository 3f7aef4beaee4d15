//go:build linux

// Package files copies a directory tree from one agent to another over any stream of bytes.
//
// The origin calls [Scan] and [Send], the receiver [Receive]. A copy is a series of passes: each Send returns the
// [Listing] of what the receiver now holds, and the next pass sends only what differs from it. The first pass, or one
// after a crash, starts from a listing that the receiver made of its own tree with Scan. Earlier passes run while
// the origin is in use; the last one, with SendOptions.Frozen, when it stands still.
//
// # What the origin may not do to us
//
// The origin's users run programs while their files are read. Every access is relative to an open directory and
// refuses symbolic links on the way, so a directory swapped for a link to /etc is "vanished", never followed. A file
// that changes while it is read is left as the receiver had it and sent again in the next pass; in a frozen pass it is
// [ErrChanged].
//
// # What the stream may not do to the receiver
//
// The receiver believes nothing: paths are checked name by name and opened beneath its root without following links,
// frames and extended attributes are bounded, a file is written in a reserved directory and renamed when it is whole.
// Owners can be limited with ReceiveOptions.MayOwn.
//
// # When a file counts as changed
//
// Type, size, mtime, mode, owner, extended attributes, link target, or (between two passes of one Send) inode number.
// A write that restores size and mtime is not seen; package compare, which looks at other things, finds it, and
// SendOptions.Force repairs it.
//
// # Order of a pass
//
// Moved files are put aside, what is gone is deleted, directories are made, moved files are placed, contents sent, hard
// links made, metadata of files and last that of directories set, the deepest first. A pass cut off anywhere leaves whole
// files under final names, and a reserved directory that the next pass, scanning the receiver, sees as one more thing to
// delete.
//
// Not carried, reported as findings instead: sockets, devices, mount points, paths over [MaxPath] bytes, attributes
// other than user.* and POSIX ACLs.
package files
