package front

import "time"

// Counters say what happened to an account's requests since the front began.
type Counters struct {
	Served      uint64        // HTTP requests answered here
	Redirected  uint64        // HTTP requests answered by the peer
	Held        uint64        // requests that had to wait
	Failed      uint64        // HTTP requests answered with 5xx, or broken off
	Cut         uint64        // connections cut by Hold
	Delivered   uint64        // messages written to a Maildir here
	Relayed     uint64        // messages that the peer accepted
	Deferred    uint64        // recipients or messages answered with 4xx
	LongestHold time.Duration // how long a request waited at most
	Waiting     int           // requests that wait now
	InFlight    int           // requests that are being answered now
}

// Counters returns the counters of an account; all zero if it is unknown.
func (f *Front) Counters(name string) Counters {
	g := f.gate(name)
	if g == nil {
		return Counters{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.counters
	c.Waiting, c.InFlight = g.waiting, len(g.flights)
	return c
}

func (g *gate) count(add func(*Counters)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	add(&g.counters)
}
