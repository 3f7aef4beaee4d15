// Package sqlitecompare decides whether a moved SQLite database equals its
// original. It shares no code with the package that moves it, and it selects
// what to look at by other means: the copier trusts a read transaction that it
// holds; this package trusts the contents of the WAL, the salts that name a
// generation of it, and the file's inode, size and times.
//
// Outside the cut each side hashes its database file block by block ([Warm]).
// Inside the cut the origin reads the final WAL, checks every checksum of it,
// and hashes again ([Origin]) the blocks that a committed frame touches, as
// they will be once these frames are written back; the block with the header;
// and all blocks at and behind the point up to which the file kept its size.
// The receiver, whose SQLite has by then replayed the WAL, hashes the same
// blocks of its file ([Receiver]). [Compare] then compares the digests over all
// blocks. Nothing is written on either side.
//
// # When a hash from before the cut still counts
//
// At the origin, if one of these holds:
//
//   - The WAL began with the same salts before the warming as it has now.
//     Within a generation of the WAL the database file only receives frames of
//     it, and these frames are all still in it, so their blocks are hashed anew.
//   - Inode, size, modification and change time are what they were before the
//     warming, and the change time was old enough then that a later write
//     shows.
//
// If neither does, the whole file is hashed in the cut, and a note says so.
//
// At the receiver, whose file is nobody's but the copier's, if the replay wrote
// only what the WAL holds. Where the origin's hashes did not count, the
// receiver's are not used either.
//
// # What is proved, what is evidence
//
// Proved, as far as SHA-256 goes: the blocks hashed in the cut are equal, and
// the others were equal when they were warmed. That the others have not
// changed since is proved for every program that writes through SQLite. A
// program that writes into the database file itself, past SQLite, is noticed
// where it touches a block that is hashed in the cut, or when the file's times
// are what counts, but not elsewhere; the same goes for a disk that changes
// bytes by itself. Where that matters, compare again after the cut without
// warmed hashes, while the original is at rest. [Logic] is cheap additional evidence that both sides
// mean the same by these bytes.
package sqlitecompare
