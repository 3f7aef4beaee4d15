//go:build race

package ownership

// raced: the race detector makes an exploration many times slower, and it has
// nothing to find in one that uses a single goroutine.
const raced = true
