//go:build linux

package look

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/stopover/stopover/schema"
)

// Bounds of a list of one account: of what is longer the first by its order are
// kept, whatever order they were met in.
const (
	maxList      = 10_000
	maxListBytes = 768 << 10
)

// pile is a list that many may add to and that does not grow beyond its bound.
type pile[T any] struct {
	mu    sync.Mutex
	order func(x, y T) int
	size  func(T) int // bytes, about
	list  []T
	bytes int
	over  bool
}

func (p *pile[T]) add(x T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, x)
	p.bytes += p.size(x)
	if len(p.list) >= 2*maxList || p.bytes >= 2*maxListBytes {
		p.cut()
	}
}

// cut keeps the first of the list; one that is in it twice counts once.
func (p *pile[T]) cut() {
	slices.SortFunc(p.list, p.order)
	p.list = slices.CompactFunc(p.list, func(x, y T) bool { return p.order(x, y) == 0 })
	p.bytes = 0
	for i, x := range p.list {
		n := p.size(x)
		if i == maxList || p.bytes+n > maxListBytes {
			clear(p.list[i:])
			p.list, p.over = p.list[:i], true
			return
		}
		p.bytes += n
	}
}

// take returns the list in order, and whether something is missing.
func (p *pile[T]) take() ([]T, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
	return slices.Clip(p.list), p.over
}

// harvest is what is found in the files of one account.
type harvest struct {
	findings     pile[schema.Finding]
	links        pile[schema.Link]
	mentions     pile[schema.Mention]
	lines        pile[schema.Line]
	environments pile[schema.Environment]
	binaries     pile[schema.Binary]
	runtimes     pile[schema.RuntimeUse]
	read         reading
}

func newHarvest() *harvest {
	h := &harvest{}
	h.findings.order, h.findings.size = byFinding, func(x schema.Finding) int { return len(x.Object) + len(x.Summary) + len(x.Remedy) + 100 }
	h.links.order = func(x, y schema.Link) int {
		return cmp.Or(strings.Compare(x.Path, y.Path), strings.Compare(x.Target, y.Target))
	}
	h.links.size = func(x schema.Link) int { return len(x.Path) + len(x.Target) + 32 }
	h.mentions.order = func(x, y schema.Mention) int {
		return cmp.Or(strings.Compare(x.Path, y.Path), x.Line-y.Line, strings.Compare(x.What, y.What))
	}
	h.mentions.size = func(x schema.Mention) int { return len(x.Path) + len(x.What) + 40 }
	h.lines.order = func(x, y schema.Line) int {
		return cmp.Or(strings.Compare(x.Kind, y.Kind), strings.Compare(x.Path, y.Path), x.Line-y.Line, strings.Compare(x.What, y.What), strings.Compare(x.Note, y.Note))
	}
	h.lines.size = func(x schema.Line) int { return len(x.Path) + len(x.What) + len(x.Note) + 80 }
	h.environments.order = func(x, y schema.Environment) int {
		return cmp.Or(strings.Compare(x.Kind, y.Kind), strings.Compare(x.Path, y.Path), strings.Compare(x.Version, y.Version))
	}
	h.environments.size = func(x schema.Environment) int {
		return len(x.Path) + len(x.Home) + len(strings.Join(x.Needs, " ")) + 120
	}
	h.binaries.order = func(x, y schema.Binary) int { return strings.Compare(x.Path, y.Path) }
	h.binaries.size = func(x schema.Binary) int {
		n := len(x.Path) + 200
		for _, l := range [][]string{x.Needs, x.Own, x.Missing, x.Versions} {
			n += len(strings.Join(l, " ")) + 16*len(l)
		}
		return n
	}
	h.runtimes.order = byRuntime
	h.runtimes.size = func(x schema.RuntimeUse) int { return len(x.By) + 80 }
	return h
}

func byRuntime(x, y schema.RuntimeUse) int {
	return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Version, y.Version), strings.Compare(x.By, y.By))
}
