package plan

import (
	"strconv"
	"time"
)

// appendDates appends what is predicted, which is not digested. It begins as
// split expects it.
func appendDates(b []byte, d *Dates) []byte {
	b = moment(b, `,"dates":{"computed":`, d.Computed)
	b = maybeMoment(b, `,"ends":`, d.Ends)
	b = mark(b, `,"earliest":true`, d.Earliest)
	b = maybe(b, `,"from_handover":`, d.FromHand)
	b = maybeMoment(b, `,"handover":`, d.Handover)
	b = mark(b, `,"promised":true`, d.Promised)
	if len(d.Timetable) > 0 {
		b = list(b, `,"timetable":`, d.Timetable, appendAppointment)
	}
	if len(d.Deadlines) > 0 {
		b = list(b, `,"deadlines":`, d.Deadlines, appendDeadline)
	}
	if d.Cost != nil {
		b = appendCost(append(b, `,"cost":`...), d.Cost)
	}
	if len(d.Findings) > 0 {
		b = list(b, `,"findings":`, d.Findings, appendFinding)
	}
	return append(b, '}')
}

func appendAppointment(b []byte, a *Appointment) []byte {
	b = text(b, `{"phase":`, a.Phase)
	b = maybe(b, `,"account":`, a.Account)
	b = maybe(b, `,"server":`, a.Server)
	b = text(b, `,"what":`, a.What)
	b = maybeMoment(b, `,"begins":`, a.Begins)
	b = maybeMoment(b, `,"ends":`, a.Ends)
	b = maybeNumber(b, `,"after":`, int64(a.After))
	b = mark(b, `,"relative":true`, a.Relative)
	b = mark(b, `,"earliest":true`, a.Earliest)
	b = number(b, `,"takes":`, int64(a.Takes))
	b = maybeNumber(b, `,"downtime":`, int64(a.Downtime))
	b = maybe(b, `,"window":`, a.Window)
	b = maybe(b, `,"waited":`, a.Waited)
	return append(b, '}')
}

func appendDeadline(b []byte, d *Deadline) []byte {
	b = text(b, `{"what":`, d.What)
	b = moment(b, `,"at":`, d.At)
	b = maybeMoment(b, `,"ends":`, d.Ends)
	b = maybeNumber(b, `,"slack":`, int64(d.Slack))
	b = mark(b, `,"missed":true`, d.Missed)
	b = maybe(b, `,"why":`, d.Why)
	return append(b, '}')
}

func appendCost(b []byte, c *Cost) []byte {
	b = append(b, '{')
	if c.Currency != "" {
		b = append(text(b, `"currency":`, c.Currency), ',')
	}
	b = number(b, `"free_days":`, int64(c.FreeDays))
	b = maybeMoment(b, `,"free_ends":`, c.FreeEnds)
	b = number(b, `,"days_used":`, int64(c.Used))
	b = maybeNumber(b, `,"per_day":`, c.PerDay)
	b = maybeNumber(b, `,"days_over":`, int64(c.Overrun))
	b = maybeNumber(b, `,"total":`, c.Total)
	b = maybe(b, `,"why":`, c.Why)
	return append(b, '}')
}

func moment(b []byte, key string, t time.Time) []byte {
	b = append(append(b, key...), '"')
	b = t.AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func maybeMoment(b []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return moment(b, key, t)
}

func maybeNumber(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, key...), n, 10)
}

// bytes restores what is not text in the dates, but for their findings.
func (d *Dates) bytes(r *restorer) {
	r.all(&d.FromHand)
	for i := range d.Timetable {
		a := &d.Timetable[i]
		r.all(&a.Phase, &a.Account, &a.Server, &a.What, &a.Window, &a.Waited)
	}
	for i := range d.Deadlines {
		r.all(&d.Deadlines[i].What, &d.Deadlines[i].Why)
	}
	if d.Cost != nil {
		r.all(&d.Cost.Currency, &d.Cost.Why)
	}
}
