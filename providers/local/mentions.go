package local

import (
	"context"
	"hash/maphash"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent/files"
	"github.com/stopover/stopover/providers/mention"
	"github.com/stopover/stopover/schema"
)

// What a survey reads of one account to find mentions. Sizes count whether a
// file is read or remembered, so that a second survey says the same as the first.
const (
	maxSettingsFiles = 20_000
	maxSettingsBytes = 256 << 20
	maxMentions      = 100
	maxRemembered    = 4 << 20
)

// settle is how old a change must be before an equal one later proves that
// nothing was written: file systems stamp files with the kernel's tick.
const settle = 50 * time.Millisecond

// mentionCache remembers what was found in files that have not changed since.
type mentionCache struct {
	seed maphash.Seed

	mu       sync.Mutex
	accounts map[string]map[uint64][]schema.Mention // by fileKey; paths are those of the time
	held     int
	read     int // files read, ever
}

func newMentionCache() *mentionCache {
	return &mentionCache{seed: maphash.MakeSeed(), accounts: map[string]map[uint64][]schema.Mention{}}
}

// fileKey is what a file was when it was read, and for what.
type fileKey struct {
	dev, ino           uint64
	size, mtime, ctime int64
	tokens             string
}

func (c *mentionCache) key(st *unix.Stat_t, tokens []string) uint64 {
	return maphash.Comparable(c.seed, fileKey{uint64(st.Dev), st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano(), strings.Join(tokens, " ")})
}

func (c *mentionCache) of(account string) map[uint64][]schema.Mention {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accounts[account]
}

// keep replaces what is known of an account.
func (c *mentionCache) keep(account string, known map[uint64][]schema.Mention, read int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read += read
	c.held -= len(c.accounts[account])
	delete(c.accounts, account)
	if len(known) == 0 || c.held+len(known) > maxRemembered {
		return
	}
	c.accounts[account] = known
	c.held += len(known)
}

// candidate is a file that looks like settings.
type candidate struct{ dir, name string }

// candidates lists them in the order of the listing.
func candidates(l *files.Listing) (out []candidate, more bool) {
	var size int64
	l.Walk(func(p string, e files.Entry) {
		if e.Mode&unix.S_IFMT != unix.S_IFREG || e.Size == 0 || e.Size > mention.MaxFile || !mention.Settings(e.Name) {
			return
		}
		dir, _ := path.Split(p)
		if dir = strings.TrimSuffix(dir, "/"); mention.Foreign(dir) {
			return
		}
		if len(out) == maxSettingsFiles || size+e.Size > maxSettingsBytes {
			more = true
			return
		}
		size += e.Size
		out = append(out, candidate{dir, e.Name})
	})
	return out, more
}

// mentions looks for names and addresses in the files of a home that look like
// settings. A file that cannot be read makes the list incomplete, no more.
func (c *mentionCache) mentions(ctx context.Context, account, home string, l *files.Listing, tokens []string) (out []schema.Mention, more bool, err error) {
	if len(tokens) == 0 {
		return nil, false, nil
	}
	root, err := os.OpenRoot(home)
	if err != nil {
		return nil, false, err
	}
	defer root.Close()
	s := &small{root: root}
	defer s.leave()
	had, known, read := c.of(account), map[uint64][]schema.Mention{}, 0
	defer func() { c.keep(account, known, read) }()
	list, more := candidates(l)
	for _, f := range list {
		if err := ctx.Err(); err != nil {
			known = had // a survey that was broken off forgets nothing
			return nil, false, err
		}
		found, ok := c.look(s, f, tokens, had, known, &read)
		more = more || !ok
		for _, m := range found {
			if len(out) == maxMentions {
				return out, true, nil
			}
			m.Path = path.Join(f.dir, f.name)
			out = append(out, m)
		}
	}
	return out, more, nil
}

// look returns what one file mentions, from memory if it has not changed.
func (c *mentionCache) look(s *small, f candidate, tokens []string, had, known map[uint64][]schema.Mention, read *int) ([]schema.Mention, bool) {
	if err := s.enter(f.dir); err != nil {
		return nil, os.IsNotExist(err)
	}
	st, err := s.stat(f.name)
	if err != nil {
		return nil, os.IsNotExist(err)
	}
	k := c.key(&st, tokens)
	if m, ok := had[k]; ok {
		known[k] = m
		return m, true
	}
	now := time.Now()
	text, st, err := s.read(f.name, mention.MaxFile)
	*read++
	if err != nil {
		return nil, os.IsNotExist(err)
	}
	m := mention.Find(text, tokens)
	if now.Sub(time.Unix(0, st.Ctim.Nano())) > settle {
		known[c.key(&st, tokens)] = m
	}
	return m, true
}
