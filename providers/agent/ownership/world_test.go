package ownership

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// acct is the one account of the explored worlds.
const acct = "shop"

// server is one machine with its disk, its agent (nil while it is down), the
// account's only door, and the account's data: one bit for each write.
type server struct {
	disk    *simDisk
	k       *Keeper
	boot    int
	inst    int
	machine int
	known   bool
	open    bool
	data    uint8
	dead    bool // gone for good, or until it comes back unasked
	acked   uint8
}

// message is an answer under way to a server.
type message struct {
	to     int
	answer Answer
}

// budget bounds what may still go wrong.
type budget struct {
	kills, powers, errs   int // agents killed, power lost, writes that fail
	drops, dups           int // replies and answers lost, orders delivered again
	slips, lapses         int // doors that open by themselves, leases that lapse
	snaps, damages, dies  int
	forged                int // answers that somebody made up
	restored, backFromAsh bool
}

// snapshot is a disk with all that was on it.
type snapshot struct {
	srv  int
	disk *simDisk
	data uint8
}

// world is the state of everything. It is cloned for each step.
type world struct {
	sc      *scenario
	srv     [2]server
	runs    []run
	mail    []message
	orders  []order // delivered before; may come again
	acked   uint8
	written uint8
	b       budget
	snap    *snapshot
	nonces  int
	broken  string // why this world must not exist
	wiped   bool
	voids   bool // a token was voided in some prepared copy
	chaos   *chaos
}

func (w *world) clone() *world {
	c := *w
	c.mail = slices.Clone(w.mail)
	c.orders = slices.Clip(w.orders)
	c.runs = slices.Clone(w.runs)
	for i := range c.srv {
		s := &c.srv[i]
		s.disk = s.disk.clone()
		if s.k != nil {
			s.k = s.k.clone(s.disk, c.nonce)
		}
	}
	return &c
}

func (w *world) nonce() string {
	w.nonces++
	return fmt.Sprint(w.nonces)
}

func (k *Keeper) clone(d Disk, nonce func() string) *Keeper {
	c := &Keeper{
		disk: d, options: k.options, server: k.server, serverBlob: k.serverBlob,
		serverReadable: k.serverReadable, serverSettled: k.serverSettled, mutant: k.mutant, lastStream: k.lastStream,
		accounts: make(map[string]*holding, len(k.accounts)),
		streams:  make(map[uint64]*streaming, len(k.streams)),
	}
	c.options.Nonce = nonce
	for a, h := range k.accounts {
		v := *h
		c.accounts[a] = &v
	}
	for id, s := range k.streams {
		v := *s
		c.streams[id] = &v
	}
	return c
}

func (s *server) id() string { return fmt.Sprintf("m%d", s.machine) }

func (s *server) peer() Peer { return Peer{Machine: s.id(), Agent: "a", Front: "f", Credential: "c"} }

// start opens the keeper as a new instance.
func (w *world) start(x int) {
	s := &w.srv[x]
	s.inst++
	k, err := open(s.disk, Options{
		Machine: s.id(), Boot: fmt.Sprintf("b%d", s.boot), Instance: fmt.Sprintf("i%d", s.inst),
		Known: s.known, Now: noon, Nonce: w.nonce,
	}, w.sc.mutant)
	if err == nil {
		s.k = k
	}
}

// noon is the clock of all servers; leases lapse by moving their end.
func noon() time.Duration { return 0 }

func (s *server) rec() Record { return s.k.holding(acct).rec }

// effective returns the record that counts: in memory, or what the next start
// will find.
func (s *server) effective() Record {
	if s.k != nil {
		return s.rec()
	}
	name := accountBlob(acct)
	if _, ok := s.disk.blobs[name]; !ok {
		if s.known {
			return Record{State: Unmanaged}
		}
		return Record{State: Unknown}
	}
	b := blob{name: name}
	payload, err := b.load(s.disk)
	if err != nil {
		return Record{State: Unreadable}
	}
	r, err := decodeRecord(payload)
	if err != nil {
		return Record{State: Unreadable}
	}
	return r
}

// crash ends the agent, and with power also the system under it.
func (w *world) crash(x int, power bool) {
	s := &w.srv[x]
	s.k = nil
	if power {
		s.disk.powerLoss()
		s.open = false
		s.boot++
	}
	for i := range w.runs {
		if r := &w.runs[i]; r.stream != 0 && r.to == x {
			r.stream = 0
		}
	}
	if w.chaos != nil {
		c := *w.chaos
		c.streams[x] = nil
		w.chaos = &c
	}
}

// check says what is wrong with the world, or "".
func (w *world) check() string {
	if w.broken != "" {
		return w.broken
	}
	a, b := w.srv[0].effective(), w.srv[1].effective()
	recs := [2]Record{a, b}
	open := 0
	for x := range w.srv {
		s := &w.srv[x]
		if !s.open || s.dead {
			continue
		}
		open++
		if !recs[x].State.Owner() {
			return fmt.Sprintf("server %d is open and %s", x, recs[x].State)
		}
		if s.k != nil && recs[x].State == Frozen && s.k.holding(acct).closed {
			return fmt.Sprintf("server %d is open and counts as closed", x)
		}
		if lost := w.acked &^ s.data; lost != 0 && !w.b.restored {
			return fmt.Sprintf("server %d is open and lacks writes %b", x, lost)
		}
	}
	if open > 1 {
		return "two servers are open"
	}
	if w.b.restored || w.b.backFromAsh || w.srv[0].dead || w.srv[1].dead {
		return ""
	}
	owners, holder := 0, -1
	for x, r := range recs {
		o := recs[1-x]
		switch {
		case r.State.Owner():
			owners++
			holder = x
		case r.State == Prepared && o.State == Moved && o.Token == r.Token:
			owners++
			holder = x
		}
	}
	unread := a.State == Unreadable || b.State == Unreadable
	if owners > 1 {
		return fmt.Sprintf("two owners: %s and %s", a.State, b.State)
	}
	if owners == 0 && !unread {
		return fmt.Sprintf("no owner: %s and %s", a.State, b.State)
	}
	if holder >= 0 {
		if lost := w.acked &^ w.srv[holder].data; lost != 0 && !unread {
			return fmt.Sprintf("owner %d lacks writes %b", holder, lost)
		}
	}
	return ""
}

// key returns what distinguishes the world from others for its future.
func (w *world) key(b []byte) []byte {
	for x := range w.srv {
		s := &w.srv[x]
		b = append(b, byte(s.boot), byte(s.machine), bits(s.open, s.known, s.dead, s.k != nil), s.data, s.acked)
		b = s.disk.key(b)
		if s.k != nil {
			b = s.k.key(b)
		}
	}
	for i := range w.runs {
		b = w.runs[i].key(b)
	}
	if w.chaos != nil {
		b = w.chaos.key(b)
	}
	b = append(b, byte(len(w.mail)))
	var mails []string
	for _, m := range w.mail {
		mails = append(mails, w.mailKey(m))
	}
	slices.Sort(mails)
	b = append(b, strings.Join(mails, "|")...)
	if w.b.dups > 0 {
		for _, o := range w.orders {
			b = append(b, o.name...)
		}
	}
	if w.snap != nil {
		b = append(b, byte(w.snap.srv), w.snap.data)
		b = w.snap.disk.key(b)
	}
	b = append(b, w.acked, w.written, bits(w.wiped, w.b.restored, w.b.backFromAsh, false))
	for _, n := range []int{w.b.kills, w.b.powers, w.b.errs, w.b.drops, w.b.dups, w.b.slips, w.b.lapses, w.b.snaps, w.b.damages, w.b.dies, w.b.forged} {
		b = append(b, byte(n))
	}
	return b
}

func (w *world) mailKey(m message) string {
	a := m.answer
	fresh := false
	if k := w.srv[m.to].k; k != nil {
		fresh = k.holding(acct).question == a.Nonce
	}
	return fmt.Sprint(m.to, fresh, a.Kind, a.State, a.Epoch, a.Token, a.Question, a.Confirmed, a.Machine)
}

func (k *Keeper) key(b []byte) []byte {
	b = append(b, k.options.Instance...)
	b = append(b, encodeServer(k.server)...)
	b = append(b, bits(k.serverReadable, k.serverBlob.good[0], k.serverBlob.good[1], k.serverSettled))
	for _, a := range slices.Sorted(maps.Keys(k.accounts)) {
		h := k.accounts[a]
		b = append(b, encodeRecord(h.rec)...)
		b = append(b, bits(h.stored, h.settled, h.deadline > 0, h.closed), bits(h.question != "", h.blob.good[0], h.blob.good[1], false))
		b = binary.AppendUvarint(b, h.preparing.Term)
		b = binary.AppendUvarint(b, h.preparing.N)
	}
	for _, id := range slices.Sorted(maps.Keys(k.streams)) {
		s := k.streams[id]
		b = append(b, byte(id), byte(s.term), bits(s.cancelled, false, false, false))
	}
	return b
}

func bits(v ...bool) byte {
	var b byte
	for i, x := range v {
		if x {
			b |= 1 << i
		}
	}
	return b
}
