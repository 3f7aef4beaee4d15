package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// What of an account or a server is too long for one event is cut off here, and
// named: a survey with a hole that everybody sees is worth more than none.

// keptFindings are those that stay of a list of findings that is too long,
// blockers before others.
const keptFindings = 100

// reserve is what the names of what was cut, and the finding, may take.
const reserve = 64 << 10

// listName is what a list is called: those within lists that a survey names have
// a name of their own, others are called by their path: "sites.names".
func listName(path string) string {
	switch path {
	case "boxes.folders", "boxes.sieve", "databases.tables", "databases.routines", "database_users.grants":
		return path[strings.LastIndexByte(path, '.')+1:]
	}
	return path
}

// checkOnly are lists that only checks look at: without them nothing is left
// behind. What is cut of any other stops the account.
func checkOnly(path string) bool {
	top, _, _ := strings.Cut(path, ".")
	switch top {
	case "lines", "links", "mentions", "binaries", "environments", "clients", "certificates", "ports", "copied", "findings":
		return true
	}
	return strings.HasPrefix(path, "databases.")
}

// listsOf are the lists of one path: those of every mailbox are one.
type listsOf struct {
	path string
	at   []reflect.Value
	own  int // bytes encoded, without the lists in them
	done bool
}

// cut empties the lists. Of findings those that count most stay the first time.
func (l *listsOf) cut() {
	for _, v := range l.at {
		if f, ok := v.Interface().([]schema.Finding); ok && !l.done && len(f) > keptFindings {
			slices.SortStableFunc(f, func(x, y schema.Finding) int { return severity(x) - severity(y) })
			v.Set(reflect.ValueOf(f[:keptFindings:keptFindings]))
			continue
		}
		v.SetZero()
	}
	l.done = true
}

func severity(f schema.Finding) int {
	if f.Severity == schema.Blocker {
		return 0
	}
	return 1
}

// gather collects every list below v by path. What says whose an account or a
// server is, and what it can do, is none that may be cut.
func gather(v reflect.Value, path string, all map[string]*listsOf) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			gather(v.Elem(), path, all)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			switch name {
			case "truncated", "can", "cannot", "lineage", "seal", "owner", "claim", "accounts":
				if path == "" {
					continue
				}
			}
			f := v.Field(i)
			if f.Kind() != reflect.Slice && f.Kind() != reflect.Map {
				gather(f, path, all)
				continue
			}
			if f.Len() == 0 || f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Uint8 {
				continue
			}
			below := strings.TrimPrefix(path+"."+name, ".")
			l := all[below]
			if l == nil {
				l = &listsOf{path: below}
				all[below] = l
			}
			l.at = append(l.at, f)
			if f.Kind() == reflect.Slice {
				for j := range f.Len() {
					gather(f.Index(j), below, all)
				}
			}
		}
	}
}

// shorten cuts what is too long of the account or server that p points to, the
// longest lists first, and returns their paths and whether the rest fits.
func (l *lookWriter) shorten(p any, e *lookEvent) (cut []string, fits bool, err error) {
	v := reflect.ValueOf(p)
	all := map[string]*listsOf{}
	gather(v, "", all)
	cut = clip(all)
	for measured := false; ; { // ends: each turn takes a list away, findings in two
		data, err := l.c.enc.Marshal(e)
		if err != nil {
			return nil, false, err
		}
		n, err := elements(data)
		if fits = err == nil && len(data) <= maxEvent-reserve && n <= maxElements; !fits && !measured {
			all = map[string]*listsOf{} // what was cut by number is no longer there
			gather(v, "", all)
			if err := l.measure(all); err != nil {
				return nil, false, err
			}
			measured = true
		}
		longest := (*listsOf)(nil)
		if !fits {
			longest = longestOf(all)
		}
		if longest == nil {
			slices.Sort(cut)
			return slices.Compact(cut), fits, nil
		}
		again := longest.done
		longest.cut()
		if again || longest.path != "findings" {
			delete(all, longest.path)
		} else if err := l.measure(map[string]*listsOf{longest.path: longest}); err != nil {
			return nil, false, err
		}
		cut = append(cut, longest.path)
	}
}

// clip leaves no list with more elements than the other end takes.
func clip(all map[string]*listsOf) (cut []string) {
	for _, g := range all {
		for _, list := range g.at {
			switch {
			case list.Len() <= maxList:
				continue
			case list.Kind() == reflect.Slice:
				list.Set(list.Slice3(0, maxList, maxList))
			default:
				list.SetZero()
			}
			cut = append(cut, g.path)
		}
	}
	return cut
}

// measure sets how long the lists are, each without those in it.
func (l *lookWriter) measure(all map[string]*listsOf) error {
	for _, g := range all {
		g.own = 0
	}
	for path, g := range all {
		n := 0
		for _, list := range g.at {
			data, err := l.c.enc.Marshal(list.Interface())
			if err != nil {
				return err
			}
			n += len(data)
		}
		g.own += n
		if i := strings.LastIndexByte(path, '.'); i >= 0 && all[path[:i]] != nil {
			all[path[:i]].own -= n
		}
	}
	return nil
}

// longestOf is the one to cut next; of two equal ones the first by name.
func longestOf(all map[string]*listsOf) *listsOf {
	var longest *listsOf
	for _, g := range all {
		if longest == nil || g.own > longest.own || g.own == longest.own && g.path < longest.path {
			longest = g
		}
	}
	return longest
}

// account writes one account. One with more to say than fits loses its longest
// lists, one after the other, and names them as truncated; where that hides what
// would have to move, it is stopped.
func (l *lookWriter) account(a *schema.FoundAccount) error {
	cut, fits, err := l.shorten(a, &lookEvent{Account: a})
	if err != nil {
		return err
	}
	if !fits {
		a = &schema.FoundAccount{Name: a.Name, ID: a.ID, Owner: a.Owner, UID: a.UID, Files: a.Files,
			Mail: schema.Mail{Messages: a.Mail.Messages, Bytes: a.Mail.Bytes}, Quota: a.Quota}
		cut = []string{"everything"}
	}
	var missing []string
	for _, path := range cut {
		name := listName(path)
		if !slices.Contains(a.Truncated, name) {
			a.Truncated = append(a.Truncated, name)
		}
		// Findings that were not kept, the blockers first, may have stopped it.
		if lost := path == "findings" && len(a.Findings) != keptFindings; lost || !checkOnly(path) {
			missing = append(missing, name)
		}
	}
	slices.Sort(a.Truncated)
	if len(missing) > 0 {
		a.Findings = append(a.Findings, schema.Finding{Code: "account-unreadable", Severity: schema.Blocker, Account: a.Name, Certainty: "observed",
			Summary: fmt.Sprintf("the account has more to tell than a survey takes (%d MB): cut off are %s", maxEvent>>20, strings.Join(missing, ", ")),
			Remedy:  "see what fills these lists and clear it away, or move the account by hand: what was not seen would not be moved"})
	}
	return l.put(&lookEvent{Account: a})
}

// server writes what is told of the server itself, the last event. What does not
// fit is cut off and named by a finding that stops its accounts.
func (l *lookWriter) server(s *schema.FoundServer) error {
	s.Accounts = nil
	cut, fits, err := l.shorten(s, &lookEvent{Server: s})
	if err != nil {
		return err
	}
	if !fits {
		s = &schema.FoundServer{Name: s.Name, Presence: s.Presence, Provider: s.Provider, Machine: s.Machine, Boot: s.Boot, Agent: s.Agent,
			Architecture: s.Architecture, Known: s.Known, Seal: s.Seal, Lineage: s.Lineage, Claim: s.Claim, Can: s.Can, Cannot: s.Cannot,
			FreeBytes: s.FreeBytes, FreeInodes: s.FreeInodes, TotalBytes: s.TotalBytes, TotalInodes: s.TotalInodes,
			System: &schema.System{}, Layout: s.Layout, At: s.At}
		cut = []string{"everything"}
	}
	if len(cut) > 0 {
		s.Findings = append(s.Findings, schema.Finding{Code: "survey-incomplete", Severity: schema.Blocker, Certainty: "observed",
			Object:  strings.Join(cut, ", "),
			Summary: fmt.Sprintf("the server has more to tell of itself than a survey takes (%d MB): cut off are %s", maxEvent>>20, strings.Join(cut, ", ")),
			Remedy:  "see what fills these lists and clear it away, then survey again: what was not seen would be lost"})
	}
	return l.put(&lookEvent{Server: s})
}

var errNotCBOR = errors.New("not CBOR of the kind that agents write")

// elements counts what the arrays of an event say they hold, without decoding
// anything: an element of one byte may become a structure of hundreds.
func elements(data []byte) (int, error) {
	total := 0
	for len(data) > 0 {
		kind, info := data[0]>>5, data[0]&31
		data = data[1:]
		n := uint64(info)
		if info >= 24 {
			size := 1 << (info - 24)
			if info > 27 || len(data) < size {
				return 0, errNotCBOR
			}
			var b [8]byte
			copy(b[8-size:], data)
			n, data = binary.BigEndian.Uint64(b[:]), data[size:]
		}
		switch kind {
		case 2, 3: // strings
			if n > uint64(len(data)) {
				return 0, errNotCBOR
			}
			data = data[n:]
		case 4: // an array; each element has one byte at least
			if n > uint64(len(data)) {
				return 0, errNotCBOR
			}
			total += int(n)
		}
	}
	return total, nil
}
