package notice

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-ical"

	"github.com/stopover/stopover/schema"
)

// Calendar makes an iCalendar file (RFC 5545) of the moves that have a date. It
// is nil if none has one: a calendar without events is not allowed. The same
// move has the same UID in every calendar, so that one that is imported again
// moves the event instead of adding another.
//
// Of is the source server's address, which tells apart migrations of one name;
// made is when the plan was computed.
func (w *Writer) Calendar(list []Notice, of string, made time.Time) ([]byte, error) {
	cal := ical.NewCalendar()
	cal.Props.SetText(ical.PropVersion, "2.0")
	cal.Props.SetText(ical.PropProductID, "-//Stopover//Notices//EN")
	cal.Props.SetText(ical.PropMethod, "PUBLISH")
	for i := range list {
		n := &list[i]
		text, err := w.Text(n)
		if err != nil {
			return nil, err
		}
		for _, m := range n.Moves {
			if !m.Known {
				continue
			}
			title, err := w.title(n, m, text)
			if err != nil {
				return nil, err
			}
			e := event(m, uid(n.Migration, of, m.Phase, n.Account), made)
			e.Props.SetText(ical.PropSummary, title)
			e.Props.SetText(ical.PropDescription, clip(text.whole))
			cal.Children = append(cal.Children, e.Component)
		}
	}
	if len(cal.Children) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	if err := ical.NewEncoder(&b).Encode(cal); err != nil {
		return nil, fmt.Errorf("write calendar: %w", err)
	}
	return fold(b.Bytes()), nil
}

func event(m Move, uid string, made time.Time) *ical.Event {
	e := ical.NewEvent()
	e.Props.SetText(ical.PropUID, uid)
	e.Props.SetDateTime(ical.PropDateTimeStamp, made.UTC())
	e.Props.SetDateTime(ical.PropLastModified, made.UTC())
	// In UTC, which needs no time zone of the calendar's own and is right
	// whatever clocks do.
	begin := m.Begin.UTC().Truncate(time.Minute)
	end := m.End.Add(time.Minute - 1).UTC().Truncate(time.Minute)
	if !end.After(begin) {
		end = begin.Add(time.Minute)
	}
	e.Props.SetDateTime(ical.PropDateTimeStart, begin)
	e.Props.SetDateTime(ical.PropDateTimeEnd, end)
	sequence := ical.NewProp(ical.PropSequence)
	sequence.Value = strconv.FormatInt(max(0, made.Unix()/60), 10) // later calendars are newer
	e.Props.Set(sequence)
	transparent := ical.NewProp(ical.PropTransparency)
	transparent.Value = "TRANSPARENT" // nobody is busy because of it
	e.Props.Set(transparent)
	return e
}

// clip keeps descriptions within what calendars show.
func clip(s string) string {
	const most = 4000
	if len(s) <= most {
		return s
	}
	at := most
	for !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + "…"
}

// uid names a move of an account for ever. Names may hold anything, and a
// calendar's reader is to learn none of another account: it is a digest.
func uid(parts ...string) string {
	h := sha256.New()
	for _, p := range append([]string{"stopover notice 1"}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]) + "@stopover.invalid"
}

// fold breaks lines after 75 octets as RFC 5545, 3.1 has it, never within a
// character; the library writes them whole.
func fold(b []byte) []byte {
	const most = 75
	var out bytes.Buffer
	for line := range bytes.SplitSeq(bytes.TrimSuffix(b, []byte("\r\n")), []byte("\r\n")) {
		room := most
		for len(line) > room {
			at := room
			for at > 0 && !utf8.RuneStart(line[at]) {
				at--
			}
			out.Write(line[:at])
			out.WriteString("\r\n ")
			line, room = line[at:], most-1
		}
		out.Write(line)
		out.WriteString("\r\n")
	}
	return out.Bytes()
}

// FileName is a safe name for a file about an account.
func FileName(account, extension string) string {
	escaped, err := schema.EscapeName(account)
	if err != nil || len(escaped)+len(extension) > schema.MaxEscapedName {
		sum := sha256.Sum256([]byte(account))
		escaped = "~" + hex.EncodeToString(sum[:]) // no escaped name holds "~"
	}
	return escaped + extension
}

// Letter is a notice as a file: whom it is for, what it is about, and the text.
func Letter(n *Notice, t Text) []byte {
	var b strings.Builder
	if n.Contact != "" {
		fmt.Fprintf(&b, "To: %s\n", line(n.Contact))
	}
	fmt.Fprintf(&b, "Subject: %s\n\n%s", t.Subject, t.Body)
	return []byte(b.String())
}
