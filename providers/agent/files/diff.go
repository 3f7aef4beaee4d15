//go:build linux

package files

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ref is an entry of the new listing and the directory it is in.
type ref struct {
	dir string
	e   *Entry
}

func (r ref) path() string { return join(r.dir, r.e.Name) }

// plan is what turns the base into the new listing, in the order of a pass.
type plan struct {
	stash  []move
	remove []string
	mkdir  []string
	rename []move
	place  []move
	send   [][]ref  // each a group of hard links: one is sent, the others linked to it
	link   [][2]ref // from, to
	meta   []ref
	dirs   map[string]struct{} // directories whose metadata is set at the end, because it differs or something in them moves
	moved  map[string]struct{} // base paths that were renamed away
}

// differ compares two listings.
type differ struct {
	*plan
	now, base *Listing
	force     map[string]bool
	groups    map[[2]uint64]int // inode to index in loose
	loose     [][]ref           // groups of files that are not plainly the same
	claimed   map[any]bool      // inodes of the base that a group of the new listing goes on with
}

func diff(now, base *Listing, force []string) *plan {
	d := &differ{
		plan: &plan{dirs: map[string]struct{}{}, moved: map[string]struct{}{}}, now: now, base: base,
		force: map[string]bool{}, groups: map[[2]uint64]int{}, claimed: map[any]bool{},
	}
	for _, p := range force {
		d.force[p] = true
	}
	for _, dir := range now.sorted() {
		d.directory(dir)
	}
	var lost []int
	for i, g := range d.loose {
		if !d.inPlace(g) {
			lost = append(lost, i)
		}
	}
	for _, i := range d.findMoved(lost) {
		d.send = append(d.send, d.loose[i])
		for _, r := range d.loose[i] {
			d.touch(r.dir)
		}
	}
	d.forced(force)
	d.remove = slices.DeleteFunc(d.remove, func(p string) bool { _, ok := d.moved[p]; return ok && d.now.find(split(p)) == nil })
	if !now.root.sameMeta(&base.root) {
		d.touch("")
	}
	return d.plan
}

func (d *differ) touch(dir string) { d.dirs[dir] = struct{}{} }

// directory merges the entries of one directory of both listings.
func (d *differ) directory(dir string) {
	now, base := d.now.dirs[dir], d.base.dirs[dir]
	for i, j := 0, 0; i < len(now) || j < len(base); {
		c := -1
		if i == len(now) {
			c = 1
		} else if j < len(base) {
			c = strings.Compare(now[i].Name, base[j].Name)
		}
		switch {
		case c < 0:
			d.pair(ref{dir, &now[i]}, nil)
			i++
		case c > 0:
			d.drop(dir, base[j].Name)
			j++
		default:
			if n, b := &now[i], &base[j]; n.Nlink != 1 || b.Nlink != 1 || !d.plain(dir, n, b) {
				d.pair(ref{dir, n}, b)
			}
			i, j = i+1, j+1
		}
	}
}

// plain is the fast way out for nearly all files.
func (d *differ) plain(dir string, n, b *Entry) bool {
	return !n.isDir() && n.sameContent(b) && n.sameMeta(b) && (!d.base.origin || n.Ino == b.Ino) && (len(d.force) == 0 || !d.force[join(dir, n.Name)])
}

func (d *differ) drop(dir, name string) {
	d.remove = append(d.remove, join(dir, name))
	d.touch(dir)
}

func (d *differ) pair(n ref, b *Entry) {
	if n.e.isDir() {
		d.pairDir(n, b)
		return
	}
	if b != nil && b.isDir() {
		d.drop(n.dir, b.Name)
	}
	if n.e.linked() {
		if i, ok := d.groups[n.e.inode()]; ok {
			d.loose[i] = append(d.loose[i], n)
			return
		}
		d.groups[n.e.inode()] = len(d.loose)
	}
	d.loose = append(d.loose, []ref{n})
}

func (d *differ) pairDir(n ref, b *Entry) {
	path := n.path()
	if b != nil && !b.isDir() {
		d.drop(n.dir, b.Name)
		b = nil
	}
	if b == nil || d.force[path] {
		d.mkdir = append(d.mkdir, path)
		d.touch(n.dir)
	}
	if b == nil || d.force[path] || !n.e.sameMeta(b) {
		d.touch(path)
	}
}

// baseInode identifies an inode of the base: linked names share it, others are known by their path.
func baseInode(path string, b *Entry) any {
	if b.linked() {
		return b.inode()
	}
	return path
}

// inPlace finds a member of the group whose file is already what it shall be; the others are linked to it. An inode of
// the base serves one group only: names that were linked and no longer are must part.
func (d *differ) inPlace(g []ref) bool {
	if d.anyForced(g) {
		return false
	}
	for _, r := range g {
		b := d.base.find(r.dir, r.e.Name)
		if b == nil || !r.e.sameContent(b) || d.base.origin && b.Ino != r.e.Ino || d.claimed[baseInode(r.path(), b)] {
			continue
		}
		d.goOn(g, r, r.path(), b)
		return true
	}
	return false
}

// goOn lets group g go on with the inode that the base has at path, which will be at keeper.
func (d *differ) goOn(g []ref, keeper ref, path string, b *Entry) {
	inode := baseInode(path, b)
	d.claimed[inode] = true
	if !keeper.e.sameMeta(b) {
		d.meta = append(d.meta, keeper)
	}
	for _, r := range g {
		if r == keeper {
			continue
		}
		if o := d.base.find(r.dir, r.e.Name); o != nil && baseInode(r.path(), o) == inode {
			continue
		}
		d.link = append(d.link, [2]ref{keeper, r})
		d.touch(r.dir)
	}
}

func (d *differ) anyForced(g []ref) bool {
	return len(d.force) > 0 && slices.ContainsFunc(g, func(r ref) bool { return d.force[r.path()] })
}

// findMoved looks in the base for the inodes of groups that are nowhere in place, and returns the groups that have to
// be sent. A mail whose flags changed is such a file: same inode, another name.
func (d *differ) findMoved(lost []int) (send []int) {
	if !d.base.origin || len(lost) == 0 {
		return lost
	}
	want := map[uint64]int{}
	for _, i := range lost {
		if !d.anyForced(d.loose[i]) {
			want[d.loose[i][0].e.Ino] = i
		}
	}
	found := map[int]bool{}
	for _, dir := range d.base.sorted() {
		if len(want) == 0 {
			break
		}
		list := d.base.dirs[dir]
		for k := range list {
			if i, ok := want[list[k].Ino]; ok && d.moves(d.loose[i], dir, &list[k]) {
				delete(want, list[k].Ino)
				found[i] = true
			}
		}
	}
	for _, i := range lost {
		if !found[i] {
			send = append(send, i)
		}
	}
	return send
}

// moves takes the file that the base has in dir for group g, if it is the same and not needed where it is.
func (d *differ) moves(g []ref, dir string, b *Entry) bool {
	to, from := g[0], join(dir, b.Name)
	if b.isDir() || !to.e.sameContent(b) || d.claimed[baseInode(from, b)] {
		return false
	}
	there := d.now.find(dir, b.Name)
	if there != nil && there.Ino == b.Ino {
		return false // scanned at both names while it moved
	}
	d.goOn(g, to, from, b)
	d.moved[from] = struct{}{}
	d.touch(to.dir)
	_, kept := d.now.dirs[dir]
	if kept {
		d.touch(dir)
	}
	if there != nil || !kept || d.base.find(to.dir, to.e.Name) != nil {
		id := uint64(len(d.stash) + 1)
		d.stash = append(d.stash, move{ID: id, From: from})
		d.place = append(d.place, move{ID: id, To: to.path()})
		return true
	}
	d.rename = append(d.rename, move{From: from, To: to.path()})
	return true
}

// forced makes sure that a forced path that is not there is gone at the receiver too, whatever the base says.
func (d *differ) forced(force []string) {
	for _, p := range force {
		if dir, name := split(p); validPath(p) && d.now.find(dir, name) == nil && d.base.find(dir, name) == nil {
			d.remove = append(d.remove, p)
			if _, ok := d.now.dirs[dir]; ok {
				d.touch(dir)
			}
		}
	}
	if d.force[""] {
		d.touch("")
	}
}

// order of the final metadata: what is deeper first, since whatever is set in a directory changes it.
func (p *plan) dirOrder() []string {
	list := make([]string, 0, len(p.dirs)+1)
	for d := range p.dirs {
		if d != "" {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return strings.Compare(b, a) })
	return append(list, "")
}

func regular(e *Entry) bool { return e.kind() == unix.S_IFREG }
