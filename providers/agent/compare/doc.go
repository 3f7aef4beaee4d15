//go:build linux

// Package compare declares two directory trees equal, or names the paths in which they differ.
//
// It shares no code and no heuristic with package files, which copies: it has its own walk, its own hash (SHA-256), and
// it chooses what to hash again by inode and ctime, where the copier goes by size and mtime. What one overlooks, the
// other does not have to.
//
// Each side makes a [Tree] with [Digest]. Equal [Summary.Digest] means equal trees; otherwise [Differences] walks down
// both, asking only for directories whose digests differ.
//
// Before the cut, Digest with Options.Warm hashes everything once and remembers it in a [Cache]. In the cut, with
// Options.Frozen, only what moved since is read; Summary.Hashed says how much that was.
//
// # What equal digests prove
//
//	proved on both sides, at the time of the walk      how
//	names, in raw bytes; nothing missing, nothing more  every directory is read, always
//	type, mode, owner (mapped), size, mtime             stat, always
//	target and times of symbolic links                  readlink and stat, always
//	which names are the same file (hard links)          dev and inode, always
//	content, user.* attributes, POSIX ACLs              SHA-256 of what was read, now or earlier; earlier only if
//	                                                    device, inode, ctime and size are still the same and the rules
//	                                                    of Cache show that a write since would have moved the ctime
//
//	not proved                                          why, and what to do
//	content on the disk itself                          reads may come from memory: sync first, and mistrust the disk
//	content that was changed without the kernel         writes to the block device, a ctime set back by a clock that
//	  changing the ctime                                an administrator turned back to the same nanosecond: no Cache
//	where the holes of a sparse file are                a hole and zeros read the same; both hash the same
//	sockets, devices, mount points                      not carried; counted in Summary.Ignored
//	atime, ctime, btime, inode numbers, other           not carried
//	  attributes (security.*, trusted.*)
//	owners or attributes with IgnoreOwners, IgnoreXattrs  asked for by the caller, because the receiver cannot hold them
//	that the tree stood still                           only Options.Frozen makes a change under the walk an error; who
//	                                                    froze it has to know that nobody writes
package compare
