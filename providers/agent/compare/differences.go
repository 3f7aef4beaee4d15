//go:build linux

package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Lister is one side of a comparison: a [Tree] here, or a client that asks the other agent for its Tree.
type Lister interface {
	Root(context.Context) (Entry, error)
	Entries(ctx context.Context, path string) ([]Entry, error)
}

// Difference is a path that is not the same on both sides.
type Difference struct {
	_    struct{} `cbor:",toarray"`
	Path string   // relative to the root, raw bytes; "" is the root
	What []string // what differs: "only in a", "only in b", or some of type, mode, owner, size, mtime, content, target, xattrs, links
}

// String is for people; the path is quoted.
func (d Difference) String() string { return fmt.Sprintf("%q: %s", d.Path, strings.Join(d.What, ", ")) }

// errEnough ends the walk.
var errEnough = errors.New("enough")

// Differences names up to max paths that differ; none means that a and b are equal. Where a directory exists on one
// side only, what is in it is named too. The other side may be hostile: the number of questions is bounded, and going
// beyond it is an error.
func Differences(ctx context.Context, a, b Lister, max int) ([]Difference, error) {
	d := &differ{a: a, b: b, max: max, budget: 10_000 + 64*max}
	ra, err := a.Root(ctx)
	if err != nil {
		return nil, err
	}
	rb, err := b.Root(ctx)
	if err != nil {
		return nil, err
	}
	err = d.both(ctx, "", &ra, &rb)
	if errors.Is(err, errEnough) {
		err = nil
	}
	return d.found, err
}

type differ struct {
	a, b        Lister
	max, budget int
	found       []Difference
}

func (d *differ) add(path string, what ...string) error {
	if len(d.found) >= d.max {
		return errEnough
	}
	d.found = append(d.found, Difference{Path: path, What: what})
	if len(d.found) == d.max {
		return errEnough
	}
	return nil
}

// both compares two entries of the same path.
func (d *differ) both(ctx context.Context, path string, a, b *Entry) error {
	if a.Digest == b.Digest {
		return nil
	}
	what := fields(a, b)
	if len(what) > 0 {
		if err := d.add(path, what...); err != nil {
			return err
		}
	}
	if !a.isDir() && !b.isDir() {
		if len(what) == 0 {
			return d.add(path, "digest")
		}
		return nil
	}
	var la, lb []Entry
	var err error
	if a.isDir() {
		if la, err = d.ask(ctx, d.a, path); err != nil {
			return err
		}
	}
	if b.isDir() {
		if lb, err = d.ask(ctx, d.b, path); err != nil {
			return err
		}
	}
	return d.merge(ctx, path, la, lb)
}

func fields(a, b *Entry) (what []string) {
	for _, f := range []struct {
		name   string
		differ bool
	}{
		{"type", a.Mode&^0o7777 != b.Mode&^0o7777},
		{"mode", a.Mode&0o7777 != b.Mode&0o7777},
		{"owner", a.UID != b.UID || a.GID != b.GID},
		{"size", a.Size != b.Size},
		{"mtime", a.Sec != b.Sec || a.Nsec != b.Nsec},
		{"content", a.Content != b.Content},
		{"target", a.Target != b.Target},
		{"xattrs", a.Xattrs != b.Xattrs},
		{"links", a.Link != b.Link},
	} {
		if f.differ {
			what = append(what, f.name)
		}
	}
	return what
}

// ask lists a directory of one side, within the budget, and does not believe that the list is in order.
func (d *differ) ask(ctx context.Context, l Lister, path string) ([]Entry, error) {
	if d.budget--; d.budget < 0 || len(path) > maxPath {
		return nil, fmt.Errorf("compare: gave up at %q: the other side goes on without end", path)
	}
	list, err := l.Entries(ctx, path)
	if err != nil {
		return nil, err
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	for i := range list {
		if n := list[i].Name; n == "" || strings.ContainsAny(n, "/\x00") || i > 0 && n == list[i-1].Name {
			return nil, fmt.Errorf("compare: the other side lists %q in %q", n, path)
		}
	}
	return list, nil
}

func (d *differ) merge(ctx context.Context, path string, a, b []Entry) error {
	for len(a) > 0 || len(b) > 0 {
		var err error
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			err = d.single(ctx, d.a, below(path, a[0].Name), &a[0], "only in a")
			a = a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			err = d.single(ctx, d.b, below(path, b[0].Name), &b[0], "only in b")
			b = b[1:]
		default:
			err = d.both(ctx, below(path, a[0].Name), &a[0], &b[0])
			a, b = a[1:], b[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// single names an entry that one side has, and all below it.
func (d *differ) single(ctx context.Context, l Lister, path string, e *Entry, what string) error {
	if err := d.add(path, what); err != nil || !e.isDir() {
		return err
	}
	list, err := d.ask(ctx, l, path)
	if err != nil {
		return err
	}
	for i := range list {
		if err := d.single(ctx, l, below(path, list[i].Name), &list[i], what); err != nil {
			return err
		}
	}
	return nil
}
