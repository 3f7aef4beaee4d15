package apply

import (
	"fmt"
	"slices"

	"github.com/stopover/stopover/schema"
)

// Orders that a person can give for an account that its agent keeps closed.
const (
	OrderRebuild   = "rebuild"
	OrderSurrender = "surrender"
	OrderAccept    = "accept"
)

// Diagnosis is what two servers' records say about one account, and what a
// person can decide. It decides nothing.
type Diagnosis struct {
	Account string   `json:"account"`
	Sides   []Side   `json:"sides"`
	Wrong   []string `json:"wrong"`   // sentences; none: nothing is wrong with the records
	Choices []Choice `json:"choices"` // none, with something wrong: the sentences say what has to happen first
}

// Side is what one server says.
type Side struct {
	Server   string           `json:"server"`
	Presence string           `json:"presence"`
	Error    string           `json:"error,omitempty"`
	Owner    schema.Ownership `json:"owner"`
	machine  string
}

// Choice is one order that the records allow, as far as they can be seen from
// here. The agents have the last word.
type Choice struct {
	Order  string `json:"order"`
	Server string `json:"server"` // whose record changes
	Means  string `json:"means"`  // what comes of it, and what is lost
}

// Diagnose looks at both servers' records of an account.
func Diagnose(c *schema.Config, inv *schema.Inventory, account string) Diagnosis {
	d := Diagnosis{Account: account, Wrong: []string{}, Choices: []Choice{}}
	for _, name := range []string{c.Migration.Source, c.Migration.Transit} {
		s := Side{Server: name, Presence: schema.Absent}
		if f := inv.Servers[name]; f != nil {
			s.Presence, s.Error, s.machine = f.Presence, f.Error, f.Machine
			if a := f.Account(account); a != nil {
				s.Owner = a.Owner
			}
		}
		d.Sides = append(d.Sides, s)
	}
	d.look(d.Sides[0], d.Sides[1])
	d.look(d.Sides[1], d.Sides[0])
	if len(d.Wrong) == 0 {
		d.lookTogether(d.Sides[0], d.Sides[1])
	}
	return d
}

// Allows says whether an order is among the choices.
func (d *Diagnosis) Allows(order, server string) bool {
	return slices.ContainsFunc(d.Choices, func(c Choice) bool { return c.Order == order && c.Server == server })
}

// Settling says whether a server is about to hear from the other one whether it
// may open the account: nobody has to decide anything yet.
func (d *Diagnosis) Settling() bool {
	x, y := d.Sides[0], d.Sides[1]
	settling := func(x, y Side) bool {
		return x.Owner.Stopped == schema.StoppedWaits && y.Presence == schema.Present && y.Owner.Stopped == "" && y.machine == x.Owner.Peer
	}
	return settling(x, y) || settling(y, x)
}

func (d *Diagnosis) wrong(format string, args ...any) {
	d.Wrong = append(d.Wrong, fmt.Sprintf(format, args...))
}

func (d *Diagnosis) choice(order string, x Side, format string, args ...any) {
	d.Choices = append(d.Choices, Choice{Order: order, Server: x.Server, Means: fmt.Sprintf(format, args...)})
}

// look says what keeps the account closed on one server.
func (d *Diagnosis) look(x, y Side) {
	a, on, other := schema.QuoteName(d.Account), schema.QuoteName(x.Server), schema.QuoteName(y.Server)
	switch x.Owner.Stopped {
	case schema.StoppedUnreadable:
		d.wrong("Both copies of the record of %s on %s are unreadable. The account's data there were not touched, "+
			"but whether they are the newest only %s can say; until then %s keeps the account closed.", a, on, other, on)
		d.lookUnreadable(x, y)
	case schema.StoppedFenced:
		d.wrong("%s keeps %s closed: %s. An old copy of %s's disk was put back.", on, a, x.Owner.Blocker, on)
		d.lookFenced(x, y)
	case schema.StoppedWaits:
		d.wrong("%s was started again and does not open %s before %s has said that it did not take the account over meanwhile.", on, a, other)
		d.lookWaiting(x, y)
	}
	if x.Owner.State == schema.StatePrepared && y.Owner.State == schema.StateMoved && y.Owner.Confirmed &&
		x.Owner.Token == y.Owner.Token && x.Owner.Epoch == y.Owner.Epoch {
		d.wrong("%s has seen %s open on %s already, and the record of %s there says that it still waits to be opened: "+
			"an old copy of %s's disk was put back. Nobody serves the account.", other, a, on, on, on)
		d.accept(x, y)
	}
}

func (d *Diagnosis) lookUnreadable(x, y Side) {
	on, other := schema.QuoteName(x.Server), schema.QuoteName(y.Server)
	switch o := y.Owner; {
	case y.Presence != schema.Present:
		d.bringBack(y)
	case o.Stopped == schema.StoppedUnreadable:
		d.wrong("Both servers have lost their record, so that nobody can say who owns the account. Put the records directory of one of them back " +
			"from a copy that was made after the account's last move; nothing else is safe.")
	case o.Stopped != "":
		d.wrong("%s keeps the account closed too, and what it says does not count until that is settled.", other)
		if o.Stopped == schema.StoppedWaits {
			d.wrong("It waits for %s, which cannot answer without its record. If the data on %s are the ones to go on with, stop %s for good, "+
				"move its directory away, and say so with declare-lost.", on, other, on)
		}
	case o.Peer == "":
		d.wrong("%s has forgotten %s, or never knew it: nothing there says whose the account is.", other, on)
	case o.Peer != x.machine:
		d.wrong("The record on %s is about another machine (%s) than the one that answers as %s now.", other, o.Peer, on)
	case o.State == schema.StateActive || o.State == schema.StateFrozen:
		d.choice(OrderRebuild, x, "%s owns the account and goes on. The record on %s is made anew as that of a copy of it. "+
			"A cutover that is under way is given up. Nothing is lost.", other, on)
	default:
		d.choice(OrderRebuild, x, "%s does not own the account (%s): %s was its owner, becomes it again, and opens it with the data that are there. "+
			"Nothing is lost if only the record was damaged; if the disk of %s was also put back from an old copy, what came after that copy is.", other, o.State, on, on)
	}
}

func (d *Diagnosis) lookFenced(x, y Side) {
	on, other := schema.QuoteName(x.Server), schema.QuoteName(y.Server)
	switch o := y.Owner; {
	case y.Presence != schema.Present:
		d.bringBack(y)
	case o.Stopped != "":
		d.wrong("%s keeps the account closed too: settle that first.", other)
	case o.State == schema.StateActive || o.State == schema.StateFrozen:
		d.choice(OrderSurrender, x, "%s owns the account and goes on; %s passes visitors and mail on to it. "+
			"What was written on %s after %s had taken over is not carried over.", other, on, on, other)
	case o.State == schema.StateMoved || o.State == schema.StateStaged:
		d.accept(x, y)
	default:
		d.wrong("%s is %s there, which does not say who should go on.", other, o.State)
	}
}

func (d *Diagnosis) accept(x, y Side) {
	on, other := schema.QuoteName(x.Server), schema.QuoteName(y.Server)
	d.choice(OrderAccept, x, "%s had passed the account on to %s, so nobody has newer data in use: %s opens it from the old copy that was put back. "+
		"Everything written on %s since that copy was made is lost. What %s still has in its files is as old as its last switch; "+
		"save it by hand before, if it is newer.", other, on, on, on, other)
}

func (d *Diagnosis) lookWaiting(x, y Side) {
	on, other := schema.QuoteName(x.Server), schema.QuoteName(y.Server)
	switch {
	case y.Presence != schema.Present:
		d.bringBack(y)
	case y.Owner.Stopped == schema.StoppedUnreadable: // said from the other side
	case y.machine != x.Owner.Peer:
		d.wrong("The record on %s asks machine %s, and %s is another one now (%s): it is likely that an old copy of %s was put back from before "+
			"a reinstallation. Do not open it. Stop %s for good, move its directory away, and say so with declare-lost.", on, x.Owner.Peer, other, y.machine, on, on)
	default:
		d.wrong("%s answers: this settles itself within seconds. Look again.", other)
	}
}

func (d *Diagnosis) bringBack(y Side) {
	other := schema.QuoteName(y.Server)
	d.wrong("%s does not answer, and only its record can say more. Bring it back and look again; if it is gone for good, see declare-lost.", other)
}

// lookTogether says what is wrong with two records that are each in order.
func (d *Diagnosis) lookTogether(x, y Side) {
	on, other := schema.QuoteName(x.Server), schema.QuoteName(y.Server)
	passive := func(s Side) bool { return s.Owner.State == schema.StateMoved || s.Owner.State == schema.StateStaged }
	absent := func(s Side) bool { return s.Owner.State == "" || s.Owner.State == schema.StateUnknown }
	owns := func(s Side) bool { return s.Owner.State == schema.StateActive || s.Owner.State == schema.StateFrozen }
	switch {
	case x.Presence != schema.Present || y.Presence != schema.Present:
	case owns(x) && owns(y):
		d.wrong("Both servers say that they own the account. Stop the one with the lower epoch (%s: %d, %s: %d) for good and move its directory away.",
			on, x.Owner.Epoch, other, y.Owner.Epoch)
	case passive(x) && absent(y):
		d.wrong("%s is %s on %s, and %s has no record of it that counts: nobody owns it. Put back what %s had.",
			schema.QuoteName(d.Account), x.Owner.State, on, other, other)
	case passive(y) && absent(x):
		d.wrong("%s is %s on %s, and %s has no record of it that counts: nobody owns it. Put back what %s had.",
			schema.QuoteName(d.Account), y.Owner.State, other, on, on)
	case passive(x) && passive(y):
		d.wrong("%s is %s on %s and %s on %s: nobody owns it. One of the disks was put back from a copy that was made before the account came there. "+
			"Put a newer copy of it back; no order can make up for what is not there.", schema.QuoteName(d.Account), x.Owner.State, on, y.Owner.State, other)
	}
}
