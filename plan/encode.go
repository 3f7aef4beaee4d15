package plan

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stopover/stopover/schema"
)

// The encoder writes what encoding/json would write of a Plan, without the
// escapes for HTML; a test compares the two. It is written by hand because a
// plan of 100,000 accounts has some three million steps. It differs in one
// thing: names on servers are bytes, not text, and encoding/json would replace
// what is not UTF-8. Such a string is written as U+0000 and its base64, which
// no other string begins with.

// appendPlan appends all of the plan that is digested: everything but dates.
func appendPlan(b []byte, p *Plan) ([]byte, error) {
	config, err := plainJSON(p.Config)
	if err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	goal, err := plainJSON(p.Goal)
	if err != nil {
		return nil, fmt.Errorf("encode goal: %w", err)
	}
	b = append(b, `{"version":`...)
	b = strconv.AppendInt(b, int64(p.Version), 10)
	b = text(b, `,"migration":`, p.Migration)
	b = append(append(b, `,"config":`...), config...)
	b = append(append(b, `,"goal":`...), goal...)
	b = list(b, `,"material":`, p.Material, appendMaterial)
	b = list(b, `,"findings":`, p.Findings, appendFinding)
	b = list(b, `,"phases":`, p.Phases, appendPhase)
	b = list(b, `,"steps":`, p.Steps, appendStep)
	b = list(b, `,"gates":`, p.Gates, appendGate)
	if len(p.Altered) > 0 {
		b = list(b, `,"altered":`, p.Altered, appendAltered)
	}
	b = list(b, `,"accounts":`, p.Accounts, appendAccount)
	b = number(b, `,"downtime":{"total":`, int64(p.Downtime.Total))
	b = number(b, `,"max":`, int64(p.Downtime.Max))
	b = maybe(b, `,"of":`, p.Downtime.Of)
	return append(b, '}'), nil
}

// appendTail appends what is not digested, and the digest.
func appendTail(b []byte, p *Plan, digest string) []byte {
	b = appendDates(b, &p.Dates)
	b = text(b, `,"digest":`, digest)
	return append(b, '}')
}

func appendMaterial(b []byte, m *Material) []byte {
	b = text(b, `{"key":`, m.Key)
	b = maybe(b, `,"value":`, m.Value)
	if m.Size != 0 {
		b = number(b, `,"size":`, m.Size)
	}
	return append(b, '}')
}

func appendFinding(b []byte, f *schema.Finding) []byte {
	b = text(b, `{"code":`, f.Code)
	b = text(b, `,"severity":`, f.Severity)
	b = maybe(b, `,"account":`, f.Account)
	b = maybe(b, `,"server":`, f.Server)
	b = maybe(b, `,"object":`, f.Object)
	b = text(b, `,"summary":`, f.Summary)
	b = maybe(b, `,"remedy":`, f.Remedy)
	b = maybe(b, `,"source":`, f.Source)
	b = maybe(b, `,"certainty":`, f.Certainty)
	if len(f.Evidence) > 0 {
		b = append(b, `,"evidence":[`...)
		for i, e := range f.Evidence {
			b = quoted(comma(b, i), e)
		}
		b = append(b, ']')
	}
	if w := f.Waived; w != nil {
		b = text(b, `,"waived":{"by":`, w.By)
		b = text(b, `,"reason":`, w.Reason)
		b = text(b, `,"until":`, w.Until)
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendPhase(b []byte, p *PhaseState) []byte {
	b = text(b, `{"name":`, p.Name)
	b = text(b, `,"state":`, p.State)
	b = number(b, `,"left":`, int64(p.Left))
	return append(b, '}')
}

func appendStep(b []byte, s *Step) []byte {
	b = word(b, `{"id":`, string(s.ID))
	b = word(b, `,"phase":`, s.Phase)
	b = word(b, `,"op":`, string(s.Op))
	b = maybe(b, `,"account":`, s.Account)
	b = maybe(b, `,"part":`, s.Part)
	b = maybe(b, `,"server":`, s.Server)
	b = maybe(b, `,"from":`, s.From)
	b = maybe(b, `,"to":`, s.To)
	b = append(b, `,"epoch":`...)
	b = strconv.AppendUint(b, s.Epoch, 10)
	if len(s.After) > 0 {
		b = append(b, `,"after":[`...)
		for i, id := range s.After {
			b = word(comma(b, i), "", string(id))
		}
		b = append(b, ']')
	}
	if s.Group != "" {
		b = word(b, `,"group":`, s.Group)
	}
	b = mark(b, `,"undo":true`, s.Undo)
	b = text(b, `,"actor":`, s.Actor)
	b = mark(b, `,"projected":true`, s.Projected)
	b = append(b, `,"reversible":`...)
	b = strconv.AppendBool(b, s.Reversible)
	b = mark(b, `,"touches_source":true`, s.Source)
	b = maybe(b, `,"method":`, s.Method)
	b = maybe(b, `,"on_new":`, s.OnNew)
	if len(s.Objects) > 0 {
		b = append(b, `,"objects":[`...)
		for i, o := range s.Objects {
			b = quoted(comma(b, i), o)
		}
		b = append(b, ']')
	}
	if len(s.Windows) > 0 {
		b = append(b, `,"windows":[`...)
		for i, w := range s.Windows {
			b = quoted(comma(b, i), w)
		}
		b = append(b, ']')
	}
	b = text(b, `,"why":`, s.Why)
	b = append(b, `,"estimate":{`...)
	if s.Estimate.Duration != 0 {
		b = append(number(b, `"duration":`, int64(s.Estimate.Duration)), ',')
	}
	if s.Estimate.Downtime != 0 {
		b = append(number(b, `"downtime":`, int64(s.Estimate.Downtime)), ',')
	}
	b = word(b, `"confidence":`, s.Estimate.Confidence)
	return append(b, "}}"...)
}

func appendGate(b []byte, g *Gate) []byte {
	b = text(b, `{"id":`, string(g.ID))
	b = text(b, `,"phase":`, g.Phase)
	b = maybe(b, `,"account":`, g.Account)
	b = text(b, `,"who":`, g.Who)
	b = text(b, `,"what":`, g.What)
	b = text(b, `,"closes":`, g.Closes)
	b = text(b, `,"evidence":`, g.Evidence)
	b = append(b, `,"open":`...)
	b = strconv.AppendBool(b, g.Open)
	b = maybe(b, `,"closed":`, g.Closed)
	return append(b, '}')
}

func appendAltered(b []byte, a *Altered) []byte {
	b = text(b, `{"account":`, a.Account)
	b = text(b, `,"object":`, a.Object)
	b = text(b, `,"from":`, a.From)
	b = text(b, `,"to":`, a.To)
	b = text(b, `,"why":`, a.Why)
	return append(b, '}')
}

func appendAccount(b []byte, a *AccountPlan) []byte {
	b = text(b, `{"name":`, a.Name)
	b = text(b, `,"where":`, a.Where)
	b = text(b, `,"stage":`, a.Stage)
	b = append(b, `,"epoch":`...)
	b = strconv.AppendUint(b, a.Epoch, 10)
	b = number(b, `,"bytes":`, a.Bytes)
	b = number(b, `,"downtime":`, int64(a.Downtime))
	b = append(b, `,"rollback_ok":`...)
	b = strconv.AppendBool(b, a.RollbackOK)
	if !a.RollbackBy.IsZero() {
		b = append(b, `,"rollback_by":"`...)
		b = a.RollbackBy.AppendFormat(b, time.RFC3339Nano)
		b = append(b, '"')
	}
	b = maybe(b, `,"blocked":`, a.Blocked)
	return append(b, '}')
}

// list appends a list of any of the above; one that is empty is [], never null.
func list[T any](b []byte, key string, items []T, item func([]byte, *T) []byte) []byte {
	b = append(append(b, key...), '[')
	for i := range items {
		b = item(comma(b, i), &items[i])
	}
	return append(b, ']')
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

func mark(b []byte, what string, set bool) []byte {
	if set {
		b = append(b, what...)
	}
	return b
}

func number(b []byte, key string, n int64) []byte {
	return strconv.AppendInt(append(b, key...), n, 10)
}

func text(b []byte, key, s string) []byte { return quoted(append(b, key...), s) }

// word appends what is known to hold nothing that has to be escaped: names that
// this package gives, and ids. Decode refuses ids that are not like that.
func word(b []byte, key, s string) []byte {
	b = append(append(b, key...), '"')
	b = append(b, s...)
	return append(b, '"')
}

func maybe(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return text(b, key, s)
}

// binaryMark begins a string that is not text.
const binaryMark = "\x00"

// quoted appends a string. Nearly all are plain and are copied as they are.
func quoted(b []byte, s string) []byte {
	start, from := len(b), 0
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			continue
		}
		if c >= utf8.RuneSelf || c == 0 && i == 0 {
			return quotedText(b[:start], s)
		}
		b = append(b, s[from:i]...)
		b = escaped(b, c)
		from = i + 1
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

// escaped appends a byte that cannot stand in a string.
func escaped(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// quotedText appends a string that is not all ASCII, or not text at all.
func quotedText(b []byte, s string) []byte {
	if !utf8.ValidString(s) || strings.HasPrefix(s, binaryMark) {
		b = append(b, `"\u0000`...)
		b = base64.StdEncoding.AppendEncode(b, []byte(s))
		return append(b, '"')
	}
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '\u2028', r == '\u2029': // as encoding/json does
			b = append(b, `\u202`...)
			b = append(b, "89"[r&1])
		case r < ' ', r == '"', r == '\\':
			b = escaped(b, byte(r))
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// plainJSON is encoding/json without the escapes for HTML. What comes from a
// configuration is text, and refused if it is not.
func plainJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	b := bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	if replaced(b) {
		return nil, errors.New("a text is not UTF-8")
	}
	return b, nil
}

// replaced says whether encoding/json had to replace a byte: it writes the
// escape, while the same character in a text is written as it is.
func replaced(b []byte) bool {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(`\ufffd`))
		if i < 0 {
			return false
		}
		i += from
		slashes := 0
		for i-slashes > 0 && b[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return true
		}
		from = i + 1
	}
}
