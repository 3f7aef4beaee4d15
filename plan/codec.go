package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/stopover/stopover/schema"
)

// MaxEncoded is the largest encoded plan that is read, in bytes: some 200,000
// accounts.
const MaxEncoded = 4 << 30

// Reasons why an encoded plan is refused; Decode's errors wrap one of them.
var (
	ErrForeign  = errors.New("this is not a plan of Stopover")
	ErrVersion  = errors.New("this plan was written by another version of Stopover; make it again with this one")
	ErrTampered = errors.New("this plan was changed after it was written; make it again")
	ErrCut      = errors.New("this plan is incomplete: the file was cut off; make it again")
	ErrTooBig   = errors.New("this plan is too big to be read")
)

// Encode writes a plan as canonical JSON: the same plan gives the same bytes.
// It ends with the digest of everything but the dates, which it also sets in
// the plan.
func Encode(p *Plan) ([]byte, error) {
	b, err := appendPlan(make([]byte, 0, roomFor(p)), p)
	if err != nil {
		return nil, err
	}
	p.Digest = digestOf(b)
	return append(appendTail(b, p, p.Digest), '\n'), nil
}

// roomFor is about how many bytes a plan takes, so that the buffer of a big one
// is not copied as it grows.
func roomFor(p *Plan) int {
	n := 16384 + 250*len(p.Accounts) + 320*len(p.Gates) + 100*len(p.Material) + 500*len(p.Findings)
	for i := range p.Steps {
		s := &p.Steps[i]
		n += 270 + len(s.ID) + len(s.Account) + len(s.Group) + len(s.Why) + len(s.Method) + len(s.OnNew)
		for _, id := range s.After {
			n += len(id) + 4
		}
		for _, o := range s.Objects {
			n += len(o) + 4
		}
	}
	for i := range p.Material {
		n += len(p.Material[i].Key) + len(p.Material[i].Value)
	}
	return n
}

// Digest is the digest that Encode would write, "sha256:" and hexadecimal
// digits. Dates do not change it.
func Digest(p *Plan) (string, error) {
	b, err := appendPlan(nil, p)
	if err != nil {
		return "", err
	}
	return digestOf(b), nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Read decodes a plan from a file or a stream of at most MaxEncoded bytes.
func Read(r io.Reader) (*Plan, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxEncoded+1))
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return Decode(data)
}

// Decode reads what Encode wrote, and nothing else: another version, a file
// that was cut, changed or is something else is refused with a sentence for
// people.
func Decode(data []byte) (*Plan, error) {
	if len(data) > MaxEncoded {
		return nil, fmt.Errorf("read plan: %w", ErrTooBig)
	}
	if err := sniff(data); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	body, tail, ok := split(data)
	if !ok {
		return nil, fmt.Errorf("read plan: %w", ErrTampered)
	}
	var p Plan
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("read plan: %w (%v)", ErrTampered, err)
	}
	if p.Digest != digestOf(body) {
		return nil, fmt.Errorf("read plan: %w", ErrTampered)
	}
	if err := p.bytes(); err != nil {
		return nil, fmt.Errorf("read plan: %w (%v)", ErrTampered, err)
	}
	if string(tail) != string(appendTail(nil, &p, p.Digest))+"\n" {
		return nil, fmt.Errorf("read plan: %w", ErrTampered)
	}
	if err := p.sound(); err != nil {
		return nil, fmt.Errorf("read plan: %w (%v)", ErrTampered, err)
	}
	return &p, nil
}

// sniff tells what a file is before it is decoded.
func sniff(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	tok, err := dec.Token()
	if err != nil || tok != json.Delim('{') {
		return ErrForeign
	}
	key, err := dec.Token()
	if err != nil || key != "version" {
		return ErrForeign
	}
	version, err := dec.Token()
	n, isNumber := version.(float64)
	if err != nil || !isNumber {
		return ErrForeign
	}
	if n != formatVersion {
		return fmt.Errorf("%w (format %v, this one reads %d)", ErrVersion, n, formatVersion)
	}
	if key, err := dec.Token(); err != nil || key != "migration" {
		return ErrForeign
	}
	if !bytes.HasSuffix(data, []byte("}\n")) {
		return ErrCut
	}
	return nil
}

// split separates what is digested from dates and digest.
func split(data []byte) (body, tail []byte, ok bool) {
	i := bytes.LastIndex(data, []byte(`,"dates":{"computed":`))
	if i < 0 {
		return nil, nil, false
	}
	return data[:i], data[i:], true
}

// sound checks what every reader of a plan relies on.
func (p *Plan) sound() error {
	if p.Config == nil {
		return errors.New("no configuration")
	}
	known := map[Op]bool{}
	for _, op := range Ops() {
		known[op] = true
	}
	seen := make(map[ID]bool, len(p.Steps))
	for i := range p.Steps {
		s := &p.Steps[i]
		if !known[s.Op] {
			return fmt.Errorf("no op %q", s.Op)
		}
		if !isWord(string(s.ID)) || !isWord(s.Group) || !isWord(s.Phase) || !isWord(s.Estimate.Confidence) {
			return fmt.Errorf("step %q is not named as steps are", s.ID)
		}
		if seen[s.ID] {
			return fmt.Errorf("step %s twice", s.ID)
		}
		for _, id := range s.After {
			if !seen[id] {
				return fmt.Errorf("step %s comes after %s, which is not before it", s.ID, id)
			}
		}
		seen[s.ID] = true
	}
	return nil
}

// isWord says whether a string can be written as it is.
func isWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// bytes turns marked strings back to what they were.
func (p *Plan) bytes() error {
	var r restorer
	for i := range p.Material {
		r.all(&p.Material[i].Key, &p.Material[i].Value)
	}
	r.findings(p.Findings)
	r.findings(p.Dates.Findings)
	for i := range p.Steps {
		s := &p.Steps[i]
		r.all(&s.Account, &s.Server, &s.From, &s.To, &s.Method, &s.Why, &s.Part, &s.Group)
		for j := range s.Objects {
			r.all(&s.Objects[j])
		}
	}
	for i := range p.Gates {
		g := &p.Gates[i]
		r.all(&g.Account, &g.Who, &g.What, &g.Closed)
	}
	for i := range p.Altered {
		a := &p.Altered[i]
		r.all(&a.Account, &a.Object, &a.From, &a.To, &a.Why)
	}
	for i := range p.Accounts {
		a := &p.Accounts[i]
		r.all(&a.Name, &a.Where, &a.Blocked)
	}
	r.all(&p.Migration, &p.Downtime.Of)
	p.Dates.bytes(&r)
	return r.err
}

type restorer struct{ err error }

func (r *restorer) findings(list []schema.Finding) {
	for i := range list {
		f := &list[i]
		r.all(&f.Code, &f.Severity, &f.Account, &f.Server, &f.Object, &f.Summary, &f.Remedy, &f.Source, &f.Certainty)
		for j := range f.Evidence {
			r.all(&f.Evidence[j])
		}
		if f.Waived != nil {
			r.all(&f.Waived.By, &f.Waived.Reason, &f.Waived.Until)
		}
	}
}

func (r *restorer) all(list ...*string) {
	for _, s := range list {
		if !strings.HasPrefix(*s, binaryMark) {
			continue
		}
		raw, err := base64.StdEncoding.Strict().DecodeString((*s)[len(binaryMark):])
		if err != nil {
			r.err = err
			continue
		}
		*s = string(raw)
	}
}
