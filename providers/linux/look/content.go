//go:build linux

package look

import (
	"bytes"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/mention"
	"github.com/stopover/stopover/schema"
)

// What is read of the files of an account.
const (
	maxCode     = 64 << 10 // bytes of a program's text; settings stand at its beginning
	maxHead     = 4 << 10
	maxPhar     = 3 << 20
	maxReadEach = 1 << 30 // bytes of one account
	maxOften    = 64      // how often one word is looked at in one file
)

// content is what a file may say, by its name. Several may be true.
type content uint16

const (
	isSettings   content = 1 << iota
	isShell              // a script of a shell, or a profile
	isPHP                // text of a PHP program
	isCode               // text of another program
	isPages              // .htaccess
	isPHPSetting         // php.ini and .user.ini
	isMeta               // composer.json and the like
	isUnnamed            // executable with a name that says nothing: its beginning tells
	isBinary             // a library
)

const anyText = isSettings | isShell | isPHP | isCode

// contents is what files are searched for in one survey. It does not change.
type contents struct {
	words  *automaton
	rules  []rule   // of the first words
	tokens []string // the server's own names and addresses: the words after them
	pace   *pace
}

func newContents(w *world) *contents {
	c := &contents{rules: rules(), tokens: w.ownNames(), pace: &pace{perSecond: w.q.Reads, now: w.m.Now}}
	var words []string
	for _, r := range c.rules {
		words = append(words, r.word)
	}
	c.words = newAutomaton(append(words, c.tokens...))
	return c
}

// ownNames are the names and addresses that tie a file to this server.
func (w *world) ownNames() (out []string) {
	s := w.server
	list := append(append([]string{s.System.Hostname}, w.q.Names...), s.Names...)
	list = append(append(list, s.Addresses...), s.Outgoing...)
	for _, a := range s.System.Addresses {
		if a.Scope == "global" || a.Scope == "private" {
			list = append(list, a.Address)
		}
	}
	for _, n := range list {
		n = strings.ToLower(strings.TrimSuffix(n, "."))
		if ip, err := netip.ParseAddr(n); err == nil {
			if ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() {
				continue
			}
		} else if !strings.Contains(n, ".") || strings.HasPrefix(n, "localhost") { // a word of every day
			continue
		}
		if len(n) <= 255 && len(out) < 1000 {
			out = append(out, n)
		}
	}
	return sortedSet(out)
}

// pace keeps reading below so many bytes a second.
type pace struct {
	perSecond int64
	now       func() time.Time
	mu        sync.Mutex
	free      time.Time // when the disk has rested for what was read
}

// wait is called after n bytes were read.
func (p *pace) wait(n int) {
	if p.perSecond <= 0 {
		return
	}
	p.mu.Lock()
	now := p.now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.perSecond) * float64(time.Second)))
	rest := p.free.Sub(now)
	p.mu.Unlock()
	if rest > time.Millisecond {
		time.Sleep(min(rest, time.Second)) // several readers share the pace; none sleeps through an end
	}
}

// reading is how much was read of one account.
type reading struct {
	bytes atomic.Int64
	over  atomic.Bool
}

// content reads a file and looks for what it says. The name ends in a zero byte.
func (r *reader) content(name []byte, info fileInfo, what content) {
	plain := string(name[:len(name)-1])
	fd, err := r.open(plain)
	if err != nil {
		return // gone, or a lease is on it: what it would have said is missing, nothing else
	}
	defer unix.Close(fd)
	r.fileAt(fd, plain, info, what)
}

func (r *reader) fileAt(fd int, name string, info fileInfo, what content) {
	limit := maxCode
	switch {
	case what&^(isUnnamed|isBinary) == 0:
		limit = maxHead
	case name == "composer.phar":
		limit = maxPhar
	case what&isMeta != 0:
		limit = smallFile
	case what&isSettings != 0:
		limit = mention.MaxFile
	}
	if r.j.in.h.read.bytes.Load() > maxReadEach {
		r.j.in.h.read.over.Store(true)
		return
	}
	text := r.readAt(fd, int(min(int64(limit), info.size)))
	if bytes.HasPrefix(text, []byte("\x7fELF")) {
		r.binary(fd, name, info)
		return
	}
	if what&isUnnamed != 0 && what&(anyText|isMeta) == 0 {
		if r.j.foreign || !bytes.HasPrefix(text, []byte("#!")) {
			return
		}
		what |= isShell
		if int64(len(text)) < info.size {
			text = r.readAt(fd, int(min(maxCode, info.size)))
		}
	}
	if len(text) == 0 || what == isBinary {
		return
	}
	if what&isMeta != 0 {
		r.meta(fd, name, info, text)
	}
	if what&^(isMeta|isUnnamed|isBinary) != 0 && bytes.IndexByte(text[:min(len(text), 512)], 0) < 0 {
		r.search(name, text, what)
	}
}

// readAt reads the beginning of an open file into the reader's own buffer.
func (r *reader) readAt(fd, n int) []byte {
	if cap(r.text) < n {
		r.text = make([]byte, max(n, maxCode))
	}
	text := r.text[:n]
	got := 0
	for got < n {
		k, err := again(func() (int, error) { return unix.Pread(fd, text[got:], int64(got)) })
		if err != nil || k <= 0 {
			break
		}
		got += k
	}
	r.j.in.h.read.bytes.Add(int64(got))
	r.f.c.pace.wait(got)
	return text[:got]
}

// open opens a file of the directory that is read.
func (r *reader) open(name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	fd, err := unix.Openat(r.fd, name, flags|unix.O_NOATIME, 0)
	if err == unix.EPERM {
		fd, err = unix.Openat(r.fd, name, flags, 0)
	}
	return fd, err
}

// head reads the beginning of a file of the directory that is read.
func (r *reader) head(name string, n int) ([]byte, error) {
	fd, err := r.open(name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return r.readAt(fd, n), nil
}

// search looks for words in a text, and at what its kind of file says line by
// line.
func (r *reader) search(name string, text []byte, what content) {
	s := &r.s
	*s = search{h: r.j.in.h, c: r.f.c, home: r.j.in.a.home, path: r.j.in.name(joinPath(r.j.path, name)), name: name, text: text, what: what, seen: s.seen, line: 1}
	s.begin()
	if bytes.HasPrefix(text, []byte("#!")) {
		s.shebang()
	}
	switch {
	case what&isPages != 0:
		s.pages()
	case what&isPHPSetting != 0:
		s.phpSettings()
	case name == "Drupal.php" || name == "bootstrap.inc":
		s.drupal(r.j.path)
	}
	s.c.words.scan(text, s.word)
}

// backup finds the newest backup of an account.
func (w *world) backup(a *account) {
	if len(w.layout.Backups) == 0 {
		return
	}
	a.Backups = true
	for _, p := range w.placesOf(a, w.layout.Backups) {
		t, err := w.dir().openTree(p.base)
		if err != nil {
			continue
		}
		st, err := t.stat(p.rel)
		t.close()
		if at := time.Unix(st.Mtim.Unix()).UTC(); err == nil && at.After(a.Backup) {
			a.Backup = at
		}
	}
}

// uses notes a runtime that a file asks for, by the line of it that the server
// has. What the server does not have runs nowhere now, whatever a file says.
func (w *world) uses(a *account, u schema.RuntimeUse) {
	for _, r := range w.server.Runtimes {
		if r.Name == u.Name && (r.Version == u.Version || strings.HasPrefix(u.Version, r.Version+".")) {
			a.use(schema.RuntimeUse{Name: r.Name, Version: r.Version, By: u.By})
		}
	}
}

// reap hands what the files of an account said over to it.
func (w *world) reap(a *account, h *harvest) {
	var more [6]bool
	a.Links, more[0] = h.links.take()
	a.Mentions, more[1] = h.mentions.take()
	said, over := h.lines.take()
	a.Lines, more[2] = append(a.Lines, said...), over // crontabs have said some
	a.Environments, more[3] = h.environments.take()
	a.Binaries, more[4] = h.binaries.take()
	if h.read.over.Load() {
		more[5] = true
	}
	for i, name := range []string{"links", "mentions", "lines", "environments", "binaries", "contents"} {
		if more[i] {
			a.truncated(name)
		}
	}
	uses, _ := h.runtimes.take()
	for _, u := range uses {
		w.uses(a, u)
	}
	found, _ := h.findings.take()
	for _, f := range found {
		a.finding(f)
	}
	w.missing(a)
}
