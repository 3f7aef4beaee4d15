package ownership

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// chaos is a tool that gives its orders in any order: whatever it does must be
// refused or harmless. Only what agents do to data is honest: a copy is read
// from a closed owner, and it is compared before it is prepared.
type chaos struct {
	term     uint64
	ops      int // orders left
	streams  [2][]transfer
	compared [2]Token
	digest   [2]string
	seal     [2]uint64
	receipts [2][3]*Receipt // by origin and number of the token
}

// transfer is a stream with what it read; it lands in two parts.
type transfer struct {
	id   uint64
	buf  uint8
	half bool
}

// partial is what a copy looks like while a stream is half done.
const partial = 0x80

func (c *chaos) key(b []byte) []byte {
	b = append(b, byte(c.term), byte(c.ops))
	for x := range 2 {
		b = append(b, byte(c.compared[x].N), byte(c.seal[x]))
		b = append(b, c.digest[x]...)
		for _, t := range c.streams[x] {
			b = append(b, byte(t.id), t.buf, bits(t.half, true, false, false))
		}
		for _, r := range c.receipts[x] {
			if r != nil {
				b = append(b, byte(r.Epoch), r.Digest[0])
			}
			b = append(b, ';')
		}
	}
	return b
}

// ordered brings the world to where the chaos begins: claimed and staged, or
// moved and seen to be.
func (w *world) ordered() error {
	c, a, b := w.chaos, w.srv[0].k, w.srv[1].k
	token := Token{1, 1}
	var rc Receipt
	steps := []func() error{
		func() (err error) { c.term, err = a.Claim("m", "chaos", 0); return err },
		func() (err error) { c.term, err = b.Claim("m", "chaos", c.term); return err },
		func() error { return b.Stage(c.term, acct, 0, w.srv[0].peer()) },
		func() error { return a.Pair(c.term, acct, 0, w.srv[1].peer()) },
	}
	if w.sc.moved {
		steps = append(steps,
			func() error { return a.Freeze(c.term, acct, token, w.srv[0].id(), 0, time.Second) },
			func() error { w.srv[0].open = false; return a.DoorsClosed(acct, token) },
			func() error { return b.PrepareBegin(c.term, acct, token, 0) },
			func() (err error) { rc, err = b.Prepare(c.term, acct, token, 0, "0"); return err },
			func() error { _, err := a.Commit(c.term, acct, token, rc); return err },
			func() error {
				w.asks(1, (*Keeper).Poll)
				w.learn(w.mail[0])
				w.mail = nil
				w.srv[1].open = true
				return nil
			},
		)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// disorder adds every order that a chaotic tool could give now.
func (e *explorer) disorder() {
	if e.w.chaos == nil {
		return
	}
	for x := range e.w.srv {
		if e.w.srv[x].k == nil {
			continue
		}
		e.transfers(x)
		if e.w.chaos.ops == 0 {
			continue
		}
		y := 1 - x
		e.order("pair", x, func(w *world, c *chaos, k *Keeper) {
			_ = k.Pair(c.term, acct, w.srv[x].rec().Epoch, w.srv[y].peer())
		})
		e.order("stage", x, func(w *world, c *chaos, k *Keeper) {
			_ = k.Stage(c.term, acct, w.srv[y].effective().Epoch, w.srv[y].peer())
		})
		e.order("unstage", x, func(_ *world, c *chaos, k *Keeper) { _ = k.Unstage(c.term, acct) })
		e.order("seal", x, func(w *world, c *chaos, k *Keeper) {
			epochs := map[string]uint64{acct: w.srv[x].rec().Epoch}
			if n, err := k.Seal(c.term, w.srv[x].id(), epochs, []string{acct}); err == nil {
				c.seal[x] = n
			}
		})
		e.order("unseal", x, func(_ *world, c *chaos, k *Keeper) { _ = k.Unseal(c.term, c.seal[x]) })
		if x == 0 && e.w.chaos.seal[0] != 0 {
			e.order("reinstall", x, func(w *world, c *chaos, _ *Keeper) {
				if w.reinstall(c.seal[0], w.srv[0].id()); w.wiped {
					c.ops = 1 // this is the last order, and so ends the story
				}
			})
		}
		for n := uint64(1); n <= 2; n++ {
			e.tokenOrders(x, n)
		}
	}
}

func (e *explorer) tokenOrders(x int, n uint64) {
	y, token := 1-x, Token{e.w.chaos.term, n}
	tag := " " + strconv.Itoa(int(n))
	e.order("freeze"+tag, x, func(w *world, c *chaos, k *Keeper) {
		_ = k.Freeze(c.term, acct, token, w.srv[x].id(), w.srv[x].rec().Epoch, time.Second)
	})
	e.order("thaw"+tag, x, func(_ *world, _ *chaos, k *Keeper) { _ = k.Thaw(acct, token, "chaos") })
	e.order("commit"+tag, x, func(_ *world, c *chaos, k *Keeper) {
		rc := Receipt{Account: acct}
		if r := c.receipts[x][n]; r != nil {
			rc = *r
		}
		_, _ = k.Commit(c.term, acct, token, rc)
	})
	e.order("sync"+tag, x, func(w *world, c *chaos, k *Keeper) {
		h := w.srv[y].k
		if h == nil || h.holding(acct).rec.Token != token || !h.holding(acct).closed || h.holding(acct).rec.State != Frozen {
			return
		}
		if id, err := k.openStream(c.term, acct, nil); err == nil {
			c.streams[x] = append(slices.Clip(c.streams[x]), transfer{id: id, buf: w.srv[y].data})
		}
	})
	e.order("begin"+tag, x, func(w *world, c *chaos, k *Keeper) {
		c.compared[x] = Token{}
		_ = k.PrepareBegin(c.term, acct, token, w.srv[y].effective().Epoch)
	})
	e.order("cancel"+tag, x, func(_ *world, _ *chaos, k *Keeper) { k.PrepareCancel(acct, token) })
	e.order("prepare"+tag, x, func(w *world, c *chaos, k *Keeper) {
		if c.compared[x] != token {
			return
		}
		r, err := k.Prepare(c.term, acct, token, w.srv[y].effective().Epoch, c.digest[x])
		if err == nil {
			c.receipts[y][n] = &r
		}
	})
	if e.w.sc.twist == "receiver aborts" {
		e.order("abort"+tag, x, func(w *world, _ *chaos, k *Keeper) {
			if rec := w.srv[x].rec(); rec.State == Prepared {
				rec.State, rec.Epoch = Staged, rec.Epoch-1
				_ = k.put(k.holding(acct), rec)
			}
		})
	}
}

// transfers adds what agents do by themselves: streams land, and a copy whose
// prepare has begun is compared once its streams have ended.
func (e *explorer) transfers(x int) {
	s := &e.w.srv[x]
	tag := " on " + strconv.Itoa(x)
	for i, t := range e.w.chaos.streams[x] {
		e.one("chaos land"+tag, x, 0, noFault, func(w *world) {
			c := *w.chaos
			w.chaos = &c
			c.streams[x] = slices.Clone(c.streams[x])
			if !t.half {
				w.srv[x].data = partial
				c.streams[x][i].half = true
				return
			}
			w.srv[x].data = t.buf
			w.srv[x].k.closeStream(t.id)
			c.streams[x] = slices.Delete(c.streams[x], i, i+1)
		})
	}
	h := s.k.holding(acct)
	if h.preparing.IsZero() || e.w.chaos.compared[x] == h.preparing || s.k.streaming(acct) > 0 && !s.k.mutant.lacks(GuardDrained) {
		return
	}
	if o := &e.w.srv[1-x]; o.k != nil && o.rec().Token == h.preparing && o.k.holding(acct).closed && o.data == s.data {
		e.one("chaos compare"+tag, x, 0, noFault, func(w *world) {
			c := *w.chaos
			w.chaos = &c
			c.compared[x], c.digest[x] = h.preparing, fmt.Sprint(w.srv[x].data)
		})
	}
}

// order adds one order and what may befall it. Orders that change nothing are
// left out: they would only use up the budget.
func (e *explorer) order(name string, x int, do func(*world, *chaos, *Keeper)) {
	sc := e.w.sc
	if sc.only != "" && !strings.Contains(sc.only, name[:3]+strconv.Itoa(x)) {
		return
	}
	if sc.script != nil && sc.script[len(sc.script)-e.w.chaos.ops] != name {
		return
	}
	if e.before == nil {
		e.before = e.w.key(nil)
	}
	n := len(e.edges)
	e.do("chaos "+name+" on "+strconv.Itoa(x), x, func(w *world) {
		c := *w.chaos
		w.chaos = &c
		do(w, w.chaos, w.srv[x].k)
	})
	if bytes.Equal(e.edges[n].w.key(nil), e.before) {
		e.edges = e.edges[:n]
		return
	}
	for _, ed := range e.edges[n:] {
		c := *ed.w.chaos
		c.ops--
		ed.w.chaos = &c
	}
}
