package plan

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// What starts and stops the clock of a process.
const (
	startsRequest = "request"
	stopsHome     = "home"
)

// What a day's price is made of.
const (
	divisor30    = "30"
	divisorMonth = "month"
	divisor365   = "365"
)

// cost is what the transit server costs beyond the days that the process gives
// free of charge: the price of the source for each day that has begun, on top
// of the source itself. Nothing that is not known is added up.
func (x *deadlines) cost() *Cost {
	free := x.b.proc.Free
	if free.Days == 0 {
		return nil
	}
	p, why := x.b.price()
	c := &Cost{Currency: p.currency, FreeDays: free.Days, Why: why}
	if free.Stops == stopsHome {
		c.FreeDays += x.b.proc.Relocation.FreeDays
	}
	zone := x.b.zone()
	start, known := x.clockStart()
	if !known {
		c.PerDay = p.day(x.b.in.Now.In(zone))
		c.Why = join(c.Why, "when the clock starts is not known yet")
		x.freeWithoutDate(c)
		return c
	}
	ends := start.In(zone).AddDate(0, 0, c.FreeDays)
	c.FreeEnds = ends.UTC()
	c.PerDay = p.day(ends)
	stop, done := x.clockStop()
	if stop.IsZero() && done {
		c.Why = join(c.Why, "when the clock stopped is not remembered")
		return c
	}
	if stop.IsZero() {
		stop = latest(start, x.b.in.Now.UTC())
		c.Why = join(c.Why, "counted until now, because when the clock stops is not planned")
	}
	c.Used = daysBegun(start.In(zone), stop)
	c.Overrun = max(0, c.Used-c.FreeDays)
	total := p.days(ends, c.Overrun)
	c.Total = hundredths(total)
	x.freeDays(c, stop, done)
	if over, from := x.relocationOver(); over > 0 {
		c.Overrun += over
		c.Total = hundredths(total.Add(total, p.days(from, over)))
		days := count(x.b.proc.Relocation.FreeDays, "free day") + " of its own"
		c.Why = join(c.Why, "the way home takes longer than the "+days)
		x.report(codeFreeOver, "", "relocation", "the way home has "+days+", from the reinstallation on; "+
			x.more(over, hundredths(p.days(from, over)), c.Currency, x.t.homeAt.IsZero()))
	}
	return c
}

// more says how many days come on top, and what they cost.
func (x *deadlines) more(n int, total int64, currency string, over bool) string {
	out := count(n, "day") + " more "
	if over {
		out += plural(n, "was", "were") + " used"
	} else {
		out += plural(n, "is", "are") + " predicted"
	}
	if total > 0 {
		out += ", " + money(total, currency) + " on top"
	}
	return out
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// freeDays is the deadline of the free period, and its finding.
func (x *deadlines) freeDays(c *Cost, stop time.Time, done bool) {
	l := Deadline{What: deadlineFree, At: c.FreeEnds, Ends: stop, Slack: c.FreeEnds.Sub(stop), Missed: c.Overrun > 0}
	if !done {
		l.Why = x.t.because(stop)
	}
	x.d.Deadlines = append(x.d.Deadlines, l)
	if c.Overrun == 0 {
		return
	}
	summary := "the free days end on " + dayOf(c.FreeEnds, x.b.zone()) + "; " + x.more(c.Overrun, c.Total, c.Currency, done)
	if l.Why != "" {
		summary += ": " + l.Why
	}
	x.report(codeFreeOver, "", deadlineFree, summary)
}

// freeWithoutDate warns when it takes longer from the hand-over on than what is
// free, whenever that is.
func (x *deadlines) freeWithoutDate(c *Cost) {
	stop, _ := x.clockStop()
	if !x.t.relative || stop.IsZero() {
		return
	}
	if used := daysBegun(x.t.hand, stop); used > c.FreeDays {
		x.report(codeFreeOver, "", deadlineFree, count(used, "day")+" from the hand-over on are predicted, and "+strconv.Itoa(c.FreeDays)+
			" are free"+becauseOf(x.t.because(stop)))
	}
}

// clockStart is when the clock starts: with the hand-over, or with the request
// where the process says so.
func (x *deadlines) clockStart() (time.Time, bool) {
	if x.b.proc.Free.Starts == startsRequest {
		gate := gateID(schema.PhaseRequest, "transit", escape(x.b.t.name))
		for i := range x.b.in.Past.Facts {
			f := &x.b.in.Past.Facts[i]
			if f.Kind == schema.FactApproval && !f.Revoked && strings.HasPrefix(f.ID, schema.FactApproval+"/"+escape(string(gate))+"/") {
				return f.At.UTC(), true
			}
		}
		return time.Time{}, false
	}
	return x.t.hand, !x.t.hand.IsZero() && !x.t.relative
}

// clockStop is when the clock stops, and whether it has: all accounts have left
// the source, or all are home. Zero: this plan does not bring them there, or
// nobody remembers when they got there.
func (x *deadlines) clockStop() (stop time.Time, done bool) {
	if x.b.proc.Free.Stops == stopsHome {
		if stop, done = x.cameHome(); done {
			return stop, true
		}
		return x.t.homeAt, false
	}
	if stop, done = x.leftSource(); done {
		return stop, true
	}
	return x.t.migrated, false
}

// leftSource is when the last account left the source, if all have.
func (x *deadlines) leftSource() (time.Time, bool) {
	return x.last(func(a *account) (uint64, bool) {
		switch {
		case a.found == sideTransit:
			return a.real, true
		case a.found == sideHome, a.found == sideToSource && x.b.reinstalled:
			return a.real - min(1, a.real), true // it went out in the epoch before
		}
		return 0, false
	})
}

// cameHome is when the last account came home, if all have.
func (x *deadlines) cameHome() (time.Time, bool) {
	return x.last(func(a *account) (uint64, bool) { return a.real, a.found == sideHome })
}

// last is the time of the latest of each account's switches that epoch names;
// zero when one of them is not remembered, not ok when one has none.
func (x *deadlines) last(epoch func(*account) (uint64, bool)) (at time.Time, ok bool) {
	all := true
	for _, a := range x.b.accounts {
		e, there := epoch(a)
		if !there {
			return time.Time{}, false
		}
		t, known := x.b.past.migrated[accountEpoch{a.name, e}]
		all = all && known
		at = latest(at, t.UTC())
	}
	if !all {
		at = time.Time{}
	}
	return at, len(x.b.accounts) > 0
}

// relocationOver is by how many days the way home exceeds the free days of its
// own, which count from the reinstallation, where the clock has stopped before.
func (x *deadlines) relocationOver() (over int, from time.Time) {
	days := x.b.proc.Relocation.FreeDays
	if days == 0 || x.b.proc.Free.Stops == stopsHome {
		return 0, time.Time{}
	}
	begin := x.t.rebuilt
	if f := x.b.past.byID[schema.FactReinstall]; f != nil && x.b.reinstalled {
		begin = f.At
	}
	end, done := x.cameHome()
	if !done {
		end = x.t.homeAt
	}
	if begin.IsZero() || end.IsZero() {
		return 0, time.Time{}
	}
	begin = begin.In(x.b.zone())
	return max(0, daysBegun(begin, end)-days), begin.AddDate(0, 0, days)
}

// daysBegun counts days that have begun between two times, by the calendar of
// the first one's zone: a day in which clocks change is one day.
func daysBegun(from, to time.Time) int {
	if !to.After(from) {
		return 0
	}
	n := int(to.Sub(from)/(24*time.Hour)) - 1
	for n = max(0, n); from.AddDate(0, 0, n).Before(to); {
		n++
	}
	return n
}

// price is what the source server costs, exactly.
type price struct {
	currency string
	amount   *big.Rat // in hundredths
	unit     string   // day | month | year
	divisor  string
}

// priceForm is the only one that is understood: "389 EUR/month".
var priceForm = regexp.MustCompile(`^([0-9]{1,15}(?:\.[0-9]{1,9})?) ([A-Z]{3})/(day|month|year)$`)

// price reads what the source costs, and says why that is not known.
func (b *builder) price() (price, string) {
	text := b.s.conf.Price
	m := priceForm.FindStringSubmatch(text)
	switch {
	case text == "":
		return price{}, "server " + b.s.name + " has no price"
	case m == nil:
		return price{}, "the price of server " + b.s.name + " cannot be read: write it as 389 EUR/month"
	}
	amount, ok := new(big.Rat).SetString(m[1])
	if !ok {
		return price{}, "the price of server " + b.s.name + " cannot be read: write it as 389 EUR/month"
	}
	p := price{currency: m[2], amount: amount.Mul(amount, big.NewRat(100, 1)), unit: m[3], divisor: b.proc.Free.Divisor}
	switch p.divisor {
	case divisor30, divisorMonth, divisor365:
		return p, ""
	case "":
		if p.unit == "day" {
			return p, ""
		}
		return price{currency: p.currency}, "the process does not say what a day's price is made of"
	}
	return price{currency: p.currency}, "the process divides the price by " + strconv.Quote(p.divisor) + ", which is not known"
}

// oneDay is the price of a day, exactly; nil when it is not known.
func (p *price) oneDay(at time.Time) *big.Rat {
	if p.amount == nil {
		return new(big.Rat)
	}
	part := big.NewRat(1, 1)
	switch {
	case p.unit == "day":
	case p.divisor == divisor365 && p.unit == "month":
		part = big.NewRat(12, 365)
	case p.divisor == divisor365:
		part = big.NewRat(1, 365)
	default:
		days := int64(30)
		if p.divisor == divisorMonth {
			days = int64(time.Date(at.Year(), at.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day())
		}
		part = big.NewRat(1, days)
		if p.unit == "year" {
			part.Mul(part, big.NewRat(1, 12))
		}
	}
	return part.Mul(part, p.amount)
}

func (p *price) day(at time.Time) int64 { return hundredths(p.oneDay(at)) }

// days is the price of so many days from a time on, exactly: what is rounded is
// the whole, once.
func (p *price) days(from time.Time, n int) *big.Rat {
	sum := new(big.Rat)
	if p.divisor != divisorMonth {
		return sum.Mul(p.oneDay(from), new(big.Rat).SetInt64(int64(n)))
	}
	for i := range n {
		sum.Add(sum, p.oneDay(from.AddDate(0, 0, i)))
	}
	return sum
}

// hundredths rounds to whole hundredths, halves up.
func hundredths(r *big.Rat) int64 {
	n := new(big.Int).Mul(r.Num(), big.NewInt(2))
	n.Add(n, r.Denom())
	n.Quo(n, new(big.Int).Mul(r.Denom(), big.NewInt(2)))
	if !n.IsInt64() {
		return math.MaxInt64
	}
	return n.Int64()
}

// money writes an amount for people.
func money(n int64, currency string) string {
	s := strconv.FormatInt(n%100, 10)
	return strconv.FormatInt(n/100, 10) + "." + strings.Repeat("0", 2-len(s)) + s + " " + currency
}
