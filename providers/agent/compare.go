package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/compare"
	"github.com/stopover/stopover/schema"
)

// maxDifferences bounds how many differing paths are named.
const maxDifferences = 100

const settingsPart = "settings"

// side walks one side's directories.
func (a *Agent) sideTrees(ctx context.Context, account string, caches map[string]*compare.Cache, warm bool) (map[string]*compare.Tree, error) {
	place, err := a.host.Place(account, false)
	if err != nil {
		return nil, err
	}
	out := map[string]*compare.Tree{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range []string{PartFiles, PartMail} {
		dir, err := place.directory(part)
		if err != nil {
			return nil, err
		}
		if caches[part] == nil {
			caches[part] = &compare.Cache{}
		}
		cache := caches[part]
		g.Go(func() error {
			t, err := compare.Digest(ctx, dir, cache, compare.Options{Warm: warm, Frozen: !warm, IgnoreOwners: os.Geteuid() != 0})
			if err != nil {
				return fmt.Errorf("%s: %w", part, err)
			}
			mu.Lock()
			defer mu.Unlock()
			out[part] = t
			return nil
		})
	}
	return out, g.Wait()
}

func (a *Agent) settingsDigest(account string) (string, error) {
	b, err := a.host.Settings(account)
	if err != nil {
		return "", err
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:]), nil
}

// digest is the origin's side of a comparison.
func (a *Agent) digest(ctx context.Context, q *digestRequest) (*sideDigest, error) {
	o, err := a.session(ctx, q.Account, q.Term)
	if err != nil {
		return nil, err
	}
	if !q.Warm {
		if err := a.frozenFor(q.Account, q.Token); err != nil {
			return nil, err
		}
	}
	ctx, done, err := o.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	trees, err := a.sideTrees(ctx, q.Account, o.caches, q.Warm)
	if err != nil {
		return nil, err
	}
	o.trees = trees
	dbs, err := a.host.Databases(q.Account)
	if err != nil {
		return nil, err
	}
	if q.Warm {
		for _, d := range dbs {
			h, err := a.database(ctx, o, q.Account, d.Name)
			if err == nil {
				err = h.Warm(ctx)
			}
			if err != nil {
				return nil, fmt.Errorf("database %s: %w", schema.QuoteName(d.Name), err)
			}
		}
		return &sideDigest{}, nil
	}
	out := &sideDigest{Parts: map[string]string{}, Scopes: map[string][]byte{}}
	if out.Parts[settingsPart], err = a.settingsDigest(q.Account); err != nil {
		return nil, err
	}
	out.addTrees(trees)
	for _, d := range dbs {
		h, err := a.database(ctx, o, q.Account, d.Name)
		if err != nil {
			return nil, err
		}
		side, err := h.Digest(ctx, nil)
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", schema.QuoteName(d.Name), err)
		}
		out.Parts[PartDatabases+"/"+d.Name], out.Scopes[d.Name] = side.Digest, side.Scope
		out.Hashed += side.Hashed
	}
	return out, nil
}

func (d *sideDigest) addTrees(trees map[string]*compare.Tree) {
	for part, t := range trees {
		d.Parts[part] = hex.EncodeToString(t.Summary.Digest[:])
		if t.Summary.Entries == 0 {
			// A part that an account does not have is an empty directory here, a
			// missing one there: when it was made says nothing.
			d.Parts[part] = "empty"
		}
		d.Hashed += t.Summary.HashedBytes
	}
}

// detail lists one directory of the tree that was compared last.
func (a *Agent) detail(ctx context.Context, q *detailRequest) (*detailAnswer, error) {
	o, err := a.session(ctx, q.Account, q.Term)
	if err != nil {
		return nil, err
	}
	ctx, done, err := o.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	t := o.trees[q.Part]
	if t == nil {
		return nil, fmt.Errorf("%w: part %q was not compared", providers.ErrRefused, q.Part)
	}
	if q.Root {
		e, err := t.Root(ctx)
		return &detailAnswer{Entries: []compare.Entry{e}}, err
	}
	e, err := t.Entries(ctx, q.Path)
	return &detailAnswer{Entries: e}, err
}

// remoteTree asks the origin for its tree.
type remoteTree struct {
	c    *connection
	o    providers.Origin
	part string
}

func (r *remoteTree) ask(ctx context.Context, root bool, path string) ([]compare.Entry, error) {
	a, err := call[detailRequest, detailAnswer](ctx, r.c, "Detail",
		&detailRequest{Account: r.o.Account, Term: r.o.Term, Part: r.part, Root: root, Path: path})
	if err != nil {
		return nil, err
	}
	return a.Entries, nil
}

// Root implements compare.Lister.
func (r *remoteTree) Root(ctx context.Context) (compare.Entry, error) {
	e, err := r.ask(ctx, true, "")
	if err != nil || len(e) != 1 {
		return compare.Entry{}, fmt.Errorf("root of the origin's %s: %w", r.part, err)
	}
	return e[0], nil
}

// Entries implements compare.Lister.
func (r *remoteTree) Entries(ctx context.Context, path string) ([]compare.Entry, error) {
	return r.ask(ctx, false, path)
}

// compare runs on the receiver. Without a token it hashes both sides in full
// while the account is in use, so that the cut hashes only what moved since.
func (a *Agent) compare(ctx context.Context, q *compareRequest) (*providers.Compared, error) {
	account := q.Origin.Account
	// It reads, but counts as a stream into the copy: a higher claim and a
	// prepare end it, and wait for it.
	stream, err := a.keeper.Stream(q.Term, account)
	if err != nil {
		return nil, refused(err)
	}
	defer stream.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-stream.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	origin, err := dial(q.Origin.Agent, a.peers.dial, q.Origin.Credential)
	if err != nil {
		return nil, err
	}
	defer origin.close()
	c := a.copyOf(account)
	if !lockWithin(ctx, &c.mu) {
		return nil, ctx.Err()
	}
	defer c.mu.Unlock()
	warm := q.Token == providers.Token{}
	var theirs *sideDigest
	var trees map[string]*compare.Tree
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		theirs, err = call[digestRequest, sideDigest](gctx, origin, "Digest",
			&digestRequest{Account: account, Term: q.Origin.Term, Token: q.Token, Warm: warm})
		return err
	})
	g.Go(func() (err error) {
		trees, err = a.sideTrees(gctx, account, c.caches, warm)
		return err
	})
	if warm {
		g.Go(func() error { return a.warmCopies(gctx, account, c) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if warm {
		return &providers.Compared{}, nil
	}
	ours, err := a.ourSide(ctx, account, c, trees, theirs)
	if err != nil {
		return nil, err
	}
	out, err := a.verdict(ctx, &remoteTree{c: origin, o: q.Origin}, trees, ours, theirs)
	if err == nil && out.Equal {
		c.equal[q.Token] = out.Digest
	}
	return out, err
}

func (a *Agent) warmCopies(ctx context.Context, account string, c *copyState) error {
	dbs, err := a.host.DatabaseNames(account)
	if err != nil {
		return err
	}
	for _, d := range dbs {
		if c.databases[d] == nil {
			c.databases[d] = a.host.CopyDatabase(account, d)
		}
		if err := c.databases[d].Warm(ctx); err != nil {
			return fmt.Errorf("copy of database %s: %w", schema.QuoteName(d), err)
		}
	}
	return nil
}

func (a *Agent) ourSide(ctx context.Context, account string, c *copyState, trees map[string]*compare.Tree, theirs *sideDigest) (*sideDigest, error) {
	ours := &sideDigest{Parts: map[string]string{}}
	var err error
	if ours.Parts[settingsPart], err = a.settingsDigest(account); err != nil {
		return nil, err
	}
	ours.addTrees(trees)
	dbs, err := a.host.DatabaseNames(account)
	if err != nil {
		return nil, err
	}
	for _, d := range dbs {
		if c.databases[d] == nil {
			c.databases[d] = a.host.CopyDatabase(account, d)
		}
		side, err := c.databases[d].Digest(ctx, theirs.Scopes[d])
		if err != nil {
			return nil, fmt.Errorf("copy of database %s: %w", schema.QuoteName(d), err)
		}
		ours.Parts[PartDatabases+"/"+d] = side.Digest
		ours.Hashed += side.Hashed
	}
	return ours, nil
}

func (a *Agent) verdict(ctx context.Context, origin *remoteTree, trees map[string]*compare.Tree, ours, theirs *sideDigest) (*providers.Compared, error) {
	out := &providers.Compared{Hashed: ours.Hashed + theirs.Hashed, Paths: map[string][]string{}}
	if maps.Equal(ours.Parts, theirs.Parts) {
		out.Equal, out.Digest = true, digestOf(ours.Parts)
		return out, nil
	}
	all := maps.Clone(ours.Parts)
	maps.Copy(all, theirs.Parts)
	for _, part := range slices.Sorted(maps.Keys(all)) {
		if ours.Parts[part] == theirs.Parts[part] {
			continue
		}
		if trees[part] == nil {
			out.Differences = append(out.Differences, part)
			continue
		}
		origin.part = part
		diffs, err := compare.Differences(ctx, origin, trees[part], maxDifferences)
		if err != nil {
			return nil, fmt.Errorf("%s differ, and what differs cannot be named: %w", part, err)
		}
		for _, d := range diffs {
			out.Differences = append(out.Differences, part+": "+d.String())
			out.Paths[part] = append(out.Paths[part], d.Path)
		}
	}
	return out, nil
}

// digestOf is one digest over all parts, for the receipt and the record.
func digestOf(parts map[string]string) string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(parts)) {
		fmt.Fprintf(h, "%q %s\n", k, parts[k])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
