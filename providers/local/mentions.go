package local

import (
	"bytes"
	"context"
	"hash/maphash"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent/files"
	"github.com/stopover/stopover/schema"
)

// What a survey reads of one account to find mentions. Sizes count whether a
// file is read or remembered, so that a second survey says the same as the first.
const (
	maxSettingsFile  = 256 << 10 // bytes; what is larger is data
	maxSettingsFiles = 20_000
	maxSettingsBytes = 256 << 20
	maxMentions      = 100
	maxMentionsFile  = 10 // of one file
	maxRemembered    = 4 << 20
)

// settle is how old a change must be before an equal one later proves that
// nothing was written: file systems stamp files with the kernel's tick.
const settle = 50 * time.Millisecond

// looksLikeSettings goes by the name alone.
func looksLikeSettings(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case ".htaccess", ".pgpass", ".netrc", ".msmtprc", ".mailrc":
		return true
	}
	if strings.HasPrefix(name, ".env") {
		return true
	}
	switch path.Ext(name) {
	case ".php", ".inc", ".ini", ".conf", ".cnf", ".cfg", ".config", ".env", ".json", ".yml", ".yaml", ".toml", ".xml", ".properties":
		return true
	}
	return false
}

// foreign says that a directory holds what others wrote: libraries and history
// know nothing of this server.
func foreign(dir string) bool {
	for name := range strings.SplitSeq(dir, "/") {
		switch name {
		case "node_modules", ".git", ".hg", ".svn", ".cache", ".npm":
			return true
		}
	}
	return false
}

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
		if e.Mode&unix.S_IFMT != unix.S_IFREG || e.Size == 0 || e.Size > maxSettingsFile || !looksLikeSettings(e.Name) {
			return
		}
		dir, _ := path.Split(p)
		if dir = strings.TrimSuffix(dir, "/"); foreign(dir) {
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
	text, st, err := s.read(f.name, maxSettingsFile)
	*read++
	if err != nil {
		return nil, os.IsNotExist(err)
	}
	m := mentioned(text, tokens)
	if now.Sub(time.Unix(0, st.Ctim.Nano())) > settle {
		known[c.key(&st, tokens)] = m
	}
	return m, true
}

// mentioned finds tokens, which are in lower case, that stand alone in a text.
// It makes the text lower case.
func mentioned(text []byte, tokens []string) []schema.Mention {
	for i, b := range text {
		if 'A' <= b && b <= 'Z' {
			text[i] = b + 'a' - 'A'
		}
	}
	type hit struct {
		at    int
		token string
	}
	var hits []hit
	for _, token := range tokens {
		n := 0
		for from := 0; n < maxMentionsFile; {
			i := bytes.Index(text[from:], []byte(token))
			if i < 0 {
				break
			}
			at := from + i
			if alone(text, at, at+len(token), strings.Contains(token, ":")) {
				hits = append(hits, hit{at, token})
				n++
			}
			from = at + 1
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return a.at - b.at })
	var out []schema.Mention
	line, counted := 1, 0
	for _, x := range hits[:min(len(hits), maxMentionsFile)] {
		line += bytes.Count(text[counted:x.at], []byte("\n"))
		counted = x.at
		out = append(out, schema.Mention{Line: line, What: x.token})
	}
	return out
}

// alone says that what stands around a token does not make it a part of
// another name or address: 192.0.2.1 is not mentioned by 192.0.2.10, nor
// web1.example by www.web1.example or web1.example.org.
func alone(text []byte, from, to int, v6 bool) bool {
	part := func(b byte) bool {
		return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_' || b >= 0x80 || v6 && b == ':'
	}
	at := func(i int) byte {
		if i < 0 || i >= len(text) {
			return 0
		}
		return text[i]
	}
	if part(at(from-1)) || part(at(to)) {
		return false
	}
	return !(at(from-1) == '.' && part(at(from-2))) && !(at(to) == '.' && part(at(to+1)))
}
