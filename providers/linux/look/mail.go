//go:build linux

package look

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// Bounds of what is told of one mailbox.
const (
	maxFolders = 10_000
	maxScripts = 200
	maxScript  = 64 << 10
)

// box is one mailbox under way.
type box struct {
	schema.Mailbox
	place   place
	in      *territory // that it lies in
	at      string     // where in it
	base    string     // of the Maildir below the mailbox: "", or "Maildir"
	count   counts
	mu      sync.Mutex // of the folders and the quota
	folders map[string]*folder
}

// folder is one folder of a mailbox; its messages lie in two directories.
type folder struct {
	schema.MailFolder
	box *box // its lock is the folder's
}

// mailboxes finds the mailboxes of all accounts: by what the layout says of
// paths, and by Dovecot's files of virtual users.
func (w *world) mailboxes(ctx context.Context) map[*account][]*box {
	users, domains := w.mailUsers(), w.domainOwners()
	own := make(map[*account][]found, len(w.accounts))
	for _, a := range w.accounts {
		own[a] = nil
	}
	var mu sync.Mutex
	w.each(ctx, func(a *account) {
		list := w.openBoxes(w.placesOf(a, w.layout.Mail))
		mu.Lock()
		defer mu.Unlock()
		own[a] = list
	})
	var shared []place
	for _, t := range w.layout.Mail {
		if !ofAccount(t) {
			shared = append(shared, w.places([]string{t})...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		if u := users[name]; u.home != "" {
			shared = append(shared, place{base: u.home, user: u.user, domain: u.domain})
		}
	}
	slices.SortStableFunc(shared, func(x, y place) int { return strings.Compare(x.path(), y.path()) })
	var all []found
	for _, a := range w.accounts {
		all = append(all, own[a]...)
	}
	all = append(all, w.openBoxes(shared)...)
	return w.shareOut(all, users, domains)
}

// found is a mailbox, and whose its directory is.
type found struct {
	*box
	uid int
}

func (w *world) openBoxes(list []place) (out []found) {
	for _, p := range list {
		if b, uid := w.openBox(p); b != nil {
			out = append(out, found{b, uid})
		}
	}
	return out
}

// shareOut says whose each mailbox is. One that lies in another is a folder of
// it, and one that two paths lead to is one.
func (w *world) shareOut(all []found, users map[string]mailUser, domains map[string]*account) map[*account][]*box {
	out := map[*account][]*box{}
	taken := map[string]bool{}
	for _, f := range all {
		taken[f.Path] = true
	}
	done, homes := map[string]bool{}, w.aboveHomes()
	for _, f := range all {
		if done[f.Path] || within(filepath.Dir(f.Path), taken) != "" || homes[f.Path] {
			continue
		}
		done[f.Path] = true
		a := w.mailOwner(f.place, f.uid, users, domains)
		if a == nil {
			w.m.Log.Info("mailbox of no account", "path", f.Path)
			continue
		}
		out[a] = append(out[a], f.box)
	}
	return out
}

// aboveHomes are the homes of all accounts, and the directories above them: what
// looks like a mailbox there is a home.
func (w *world) aboveHomes() map[string]bool {
	out := map[string]bool{}
	for _, a := range w.accounts {
		for p := a.home; !out[p]; p = filepath.Dir(p) {
			out[p] = true
		}
	}
	return out
}

// openBox looks at what a path of the layout led to: nil if it is no Maildir.
func (w *world) openBox(p place) (*box, int) {
	t, err := w.openPlace(p)
	if err != nil {
		return nil, 0
	}
	defer t.close()
	var st unix.Stat_t
	if err := unix.Fstat(t.fd, &st); err != nil {
		return nil, 0
	}
	b := &box{place: p, folders: map[string]*folder{}}
	switch {
	case t.isDir("cur") || t.isDir("new"):
	case t.isDir("Maildir/cur") || t.isDir("Maildir/new"): // the home of a virtual user
		b.base = "Maildir"
	default:
		return nil, 0
	}
	b.Path = p.path()
	b.Virtual = p.user != "" || p.domain != ""
	b.Address = p.user
	if p.domain != "" {
		b.Address = p.user + "@" + p.domain
	}
	if b.Address == "" && p.account != nil {
		b.Address = p.account.Name
	}
	b.UIDL = w.uidlFormat()
	b.quota(t)
	b.Sieve = w.sieveOf(p, t)
	return b, int(st.Uid)
}

func (t *tree) isDir(path string) bool {
	st, err := t.stat(path)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// messages returns the folder whose messages lie in a directory, or nil.
func (b *box) messages(path string) *folder {
	rel := strings.TrimPrefix(strings.TrimPrefix(path, b.at), "/")
	dir, leaf := splitPath(rel)
	if leaf != "cur" && leaf != "new" {
		return nil
	}
	return b.folder(dir)
}

// folder returns the folder of a directory below the mailbox, made anew if it is
// seen for the first time; nil: it is none.
func (b *box) folder(dir string) *folder {
	if b.base != "" {
		rest, ok := strings.CutPrefix(dir+"/", b.base+"/")
		if !ok {
			return nil
		}
		dir = strings.TrimSuffix(rest, "/")
	}
	name := cmp.Or(strings.TrimPrefix(dir, "."), "INBOX")
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.folders[name]
	if f == nil {
		if len(b.folders) >= maxFolders {
			b.in.a.truncated("folders")
			return nil
		}
		f = &folder{MailFolder: schema.MailFolder{Name: name}, box: b}
		b.folders[name] = f
	}
	return f
}

// mailFile counts a file of a mailbox, and reads the few that say something.
func (r *reader) mailFile(name []byte, info fileInfo) {
	if r.folder != nil {
		if name[0] != '.' {
			r.messages++
			r.messageBytes += info.size
		}
		return
	}
	switch string(name) {
	case "dovecot-uidlist", "courierimapuiddb":
		rel := strings.TrimPrefix(strings.TrimPrefix(r.j.path, r.j.box.at), "/")
		f := r.j.box.folder(rel)
		head, err := r.head(string(name), 512)
		if f == nil || err != nil {
			return
		}
		validity, next := parseUIDList(head)
		r.j.box.mu.Lock()
		f.UIDValidity, f.UIDNext = validity, next
		r.j.box.mu.Unlock()
	}
}

// parseUIDList reads the first line of dovecot-uidlist: "3 V1275660208 N25022
// G…", or in the older versions and Courier's "1 1275660208 25022".
func parseUIDList(head []byte) (validity, next uint32) {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	f := strings.Fields(string(line))
	if len(f) < 2 {
		return 0, 0
	}
	number := func(s string) uint32 {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return 0
		}
		return uint32(n)
	}
	if f[0] != "3" {
		if len(f) < 3 {
			return 0, 0
		}
		return number(f[1]), number(f[2])
	}
	for _, x := range f[1:] {
		switch x[0] {
		case 'V':
			validity = number(x[1:])
		case 'N':
			next = number(x[1:])
		}
	}
	return validity, next
}

// quota reads the quota of a Maildir++: its first line is "1000000S,500C".
func (b *box) quota(t *tree) {
	text, err := t.read(joinPath(b.base, "maildirsize"), 512)
	if err != nil {
		return
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for x := range strings.SplitSeq(line, ",") {
		if s, ok := strings.CutSuffix(strings.TrimSpace(x), "S"); ok {
			if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
				b.Quota = n
			}
		}
	}
}

// uidlFormat is how Dovecot makes POP3 ids, by its settings: empty if it is not
// there. Its default is written in two ways, which mean the same.
func (w *world) uidlFormat() string {
	w.uidl.Do(func() {
		r := w.dir()
		if !r.exists("/etc/dovecot/dovecot.conf") {
			return
		}
		w.uidlText = "%08Xu%08Xv"
		files := append(r.glob("/etc/dovecot/conf.d/*.conf"), "/etc/dovecot/dovecot.conf", "/etc/dovecot/local.conf")
		for _, p := range files {
			text, err := r.read(p, smallFile)
			if err != nil {
				continue
			}
			lines(text, func(_ int, line string) bool {
				key, value, ok := strings.Cut(line, "=")
				if ok && strings.TrimSpace(key) == "pop3_uidl_format" {
					w.uidlText = clip(strings.Trim(strings.TrimSpace(value), `"'`), 100)
				}
				return true
			})
		}
	})
	return w.uidlText
}

// gather puts together what the walk found of an account.
func (w *world) gather(a *account, boxes []*box) {
	t := a.walked
	if t == nil {
		return
	}
	a.Files = schema.Files{Bytes: t.count.bytes, Entries: t.count.entries}
	if t.count.over {
		a.truncated("hard-links")
	}
	slices.SortFunc(boxes, func(x, y *box) int {
		return cmp.Or(strings.Compare(x.Address, y.Address), strings.Compare(x.Path, y.Path))
	})
	for _, b := range boxes {
		b.finish()
		a.Mail.Boxes = append(a.Mail.Boxes, b.Mailbox)
		a.Mail.Mailboxes = append(a.Mail.Mailboxes, b.Address)
		a.Mail.Messages += b.Messages
		a.Mail.Bytes += b.Bytes
		if b.count.over {
			a.truncated("hard-links")
		}
	}
	a.Mail.Mailboxes = slices.Compact(a.Mail.Mailboxes)
	w.reap(a, t.h)
	w.backup(a)
}

func (b *box) finish() {
	b.Bytes = b.count.bytes
	for _, f := range b.folders {
		b.Messages += f.Messages
		b.Folders = append(b.Folders, f.MailFolder)
	}
	slices.SortFunc(b.Folders, func(x, y schema.MailFolder) int { return strings.Compare(x.Name, y.Name) })
}
