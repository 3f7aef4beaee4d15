//go:build linux

package trial

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers"
)

// reserve is what a trial leaves free for whatever else is on a disk: a
// twentieth of it, a gigabyte at most.
func reserve(total int64) int64 { return min(total/20, 1<<30) }

// room says whether a disk can take so many bytes more than it has now. Nothing
// is known of a place that cannot be looked at, and nothing is refused then.
func room(dir string, bytes int64) error {
	var st unix.Statfs_t
	if dir == "" || unix.Statfs(dir, &st) != nil {
		return nil
	}
	total, free := int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize
	need, keep := bytes+bytes/5, reserve(total) // indexes are packed less densely, and logs grow
	if free >= need+keep {
		return nil
	}
	return fmt.Errorf("%w: no space left for a trial on this server: it needs %s, and %s of the disk have to stay free, which has %s: make room, or name another trial server",
		providers.ErrRefused, humanize.IBytes(uint64(max(need, 0))), humanize.IBytes(uint64(keep)), humanize.IBytes(uint64(free)))
}

// watchRoom ends ctx when the disk gets too full.
func watchRoom(ctx context.Context, dir string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := room(dir, 0); err != nil {
					cancel(err)
					return
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
