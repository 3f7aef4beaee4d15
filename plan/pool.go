package plan

import (
	"container/heap"
	"math"
	"time"
)

// move is one cutover of the timetable, with the warm pass before it.
type move struct {
	a     *account
	what  string        // for people
	to    string        // the server that it goes to
	need  time.Duration // for which its windows have to stay open from the cut on
	warm  time.Duration // before the cut, outside of windows
	cut   time.Duration
	names []string // of its windows
	open  *opens
	after []*account // crossings of this pool that it waits for

	ready  time.Time // what it comes after is done
	room   time.Time // since then one account more could have been worked on
	begins time.Time // its warm pass
	window Opening
	placed bool
}

// takes is how long one more account cannot be worked on.
func (m *move) takes() time.Duration { return m.warm + m.cut }

// pool places moves one after the other, or as many at once as the phase
// allows, as apply does: whenever there is room, the first in the list begins
// that is ready and whose windows are open, and stay open for long enough, when
// its warm pass is over. What is closed does not hold up the others.
type pool struct {
	moves  []*move
	slots  int
	now    time.Time
	free   time.Time // since then there has been room for one more
	queues []*queue
	queue  map[*opens]*queue
	seat   []int // of a move in its queue
	waits  []int // crossings that a move still waits for
	behind map[*account][]int
	busy   running
}

// arrange places all moves that can be, from a time on, and returns when the last
// one ends.
func arrange(moves []*move, slots int, start time.Time) time.Time {
	p := &pool{moves: moves, slots: max(1, slots), now: start, free: start, queue: map[*opens]*queue{}}
	p.enqueue()
	end := start
	for {
		p.fill()
		at, ok := p.advance()
		if !ok {
			return end
		}
		p.now = at
		for len(p.busy) > 0 && !p.busy[0].end.After(p.now) {
			if len(p.busy) == p.slots {
				p.free = p.now
			}
			done := heap.Pop(&p.busy).(run)
			if done.end.After(end) {
				end = done.end
			}
			for _, i := range p.behind[p.moves[done.move].a] {
				if p.waits[i]--; p.waits[i] == 0 {
					p.admit(i)
				}
			}
		}
	}
}

// enqueue puts each move into the queue of those with the same windows.
func (p *pool) enqueue() {
	p.seat, p.waits = make([]int, len(p.moves)), make([]int, len(p.moves))
	p.behind = map[*account][]int{}
	in := map[*account]bool{}
	for i, m := range p.moves {
		q := p.queue[m.open]
		if q == nil {
			q = &queue{open: m.open}
			p.queue[m.open], p.queues = q, append(p.queues, q)
		}
		p.seat[i] = len(q.moves)
		q.moves = append(q.moves, i)
		in[m.a] = true
	}
	for _, q := range p.queues {
		q.build()
	}
	for i, m := range p.moves {
		for _, a := range m.after {
			if in[a] && a != m.a {
				p.waits[i]++
				p.behind[a] = append(p.behind[a], i)
			}
		}
		if p.waits[i] == 0 {
			p.admit(i)
		}
	}
}

// admit makes a move ready.
func (p *pool) admit(i int) {
	m := p.moves[i]
	m.ready = p.now
	q := p.queue[m.open]
	q.set(p.seat[i], m.warm+m.need)
	q.wake = time.Time{}
}

// fill begins as many moves as there is room for now.
func (p *pool) fill() {
	for len(p.busy) < p.slots {
		best := -1
		var open Opening
		for _, q := range p.queues {
			if i, o := q.first(p.moves, p.now); i >= 0 && (best < 0 || i < best) {
				best, open = i, o
			}
		}
		if best < 0 {
			return
		}
		m := p.moves[best]
		if m.open.windows != nil || m.open.hours != nil {
			open, _ = m.open.next(p.now, 0) // which of its windows it is
		}
		m.placed, m.begins, m.room, m.window = true, p.now, p.free, open
		p.queue[m.open].set(p.seat[best], notReady)
		heap.Push(&p.busy, run{p.now.Add(m.takes()), best})
	}
}

// advance is when something can change: a move ends, or a window opens.
func (p *pool) advance() (time.Time, bool) {
	var at time.Time
	if len(p.busy) > 0 {
		at = p.busy[0].end
	}
	if len(p.busy) < p.slots {
		for _, q := range p.queues {
			if q.least() != notReady && (at.IsZero() || q.wake.Before(at)) {
				at = q.wake
			}
		}
	}
	return at, !at.IsZero()
}

// notReady is the need of what is not ready, or begun, or opens never.
const notReady = time.Duration(math.MaxInt64)

// queue holds the moves with the same windows, in the order of the list, as a
// tree of what they need at least.
type queue struct {
	open  *opens
	moves []int
	tree  []time.Duration
	wake  time.Time // before that, none of them can begin
	shuts time.Time // the opening that was found last lasts until then
}

func (q *queue) build() {
	n := 1
	for n < len(q.moves) {
		n *= 2
	}
	q.tree = make([]time.Duration, 2*n)
	for i := range q.tree {
		q.tree[i] = notReady
	}
}

func (q *queue) least() time.Duration { return q.tree[1] }

func (q *queue) set(seat int, need time.Duration) {
	i := len(q.tree)/2 + seat
	q.tree[i] = need
	for i /= 2; i > 0; i /= 2 {
		q.tree[i] = min(q.tree[2*i], q.tree[2*i+1])
	}
}

// first is the first move that may begin now; -1: none. One for which nothing
// ever opens is given up.
func (q *queue) first(all []*move, now time.Time) (int, Opening) {
	for q.least() != notReady && !q.wake.After(now) {
		o, ok := Opening{Begins: now, Closes: q.shuts}, true
		if q.least() > q.shuts.Sub(now) {
			o, ok = q.open.next(now, q.least())
		}
		if ok && !o.Begins.After(now) {
			q.shuts = o.Closes
			room := notReady - 1
			if !o.Closes.IsZero() {
				room = o.Closes.Sub(now)
			}
			return q.moves[q.fits(room)], o
		}
		seat := q.fits(notReady - 1)
		m := all[q.moves[seat]] // its warm pass may end when a window opens
		early, later := q.open.next(now.Add(m.warm), m.need)
		switch {
		case later && !early.Begins.After(now.Add(m.warm)):
			return q.moves[seat], early
		case !later && !ok:
			q.set(seat, notReady)
		case !later:
			q.wake = o.Begins
		default:
			q.wake = early.Begins.Add(-m.warm)
			if ok && o.Begins.Before(q.wake) {
				q.wake = o.Begins
			}
		}
	}
	return -1, Opening{}
}

// fits is the seat of the first move that needs no more than that; there is one.
func (q *queue) fits(room time.Duration) int {
	i := 1
	for i < len(q.tree)/2 {
		if i *= 2; q.tree[i] > room {
			i++
		}
	}
	return i - len(q.tree)/2
}

// run is a move that goes on.
type run struct {
	end  time.Time
	move int
}

// running is a heap of moves that go on, by their end.
type running []run

func (r running) Len() int { return len(r) }
func (r running) Less(i, j int) bool {
	if c := r[i].end.Compare(r[j].end); c != 0 {
		return c < 0
	}
	return r[i].move < r[j].move
}
func (r running) Swap(i, j int) { r[i], r[j] = r[j], r[i] }
func (r *running) Push(x any)   { *r = append(*r, x.(run)) }
func (r *running) Pop() any {
	old := *r
	x := old[len(old)-1]
	*r = old[:len(old)-1]
	return x
}
