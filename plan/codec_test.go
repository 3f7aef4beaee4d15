package plan

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stopover/stopover/schema"
)

func savedPlan(t *testing.T) (*Plan, []byte) {
	t.Helper()
	p, err := Compute(smallWorld("blog", "shop", "\xff\n\"").input())
	if err != nil {
		t.Fatal(err)
	}
	b, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return p, b
}

func TestDecodeRefuses(t *testing.T) {
	_, good := savedPlan(t)
	redigest := func(b []byte) []byte { // as somebody would who knows the format
		body, _, _ := split(b)
		return bytes.Replace(b, []byte(b[bytes.LastIndex(b, []byte("sha256:")):len(b)-3]), []byte(digestOf(body)), 1)
	}
	change := func(old, new string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("the plan holds no %s", old)
		}
		return bytes.Replace(good, []byte(old), []byte(new), 1)
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, ErrForeign},
		{"text", []byte("hello\n"), ErrForeign},
		{"another tool's plan", []byte(`{"format_version":"1.2","terraform_version":"1.11.4"}` + "\n"), ErrForeign},
		{"a list", []byte("[]\n"), ErrForeign},
		{"a version that is no number", []byte(`{"version":"1"}` + "\n"), ErrForeign},
		{"a journal", []byte(`{"seq":1}` + "\n"), ErrForeign},
		{"a newer version", change(`{"version":1,`, `{"version":2,`), ErrVersion},
		{"cut in the middle", good[:len(good)/2], ErrCut},
		{"cut by one byte", good[:len(good)-1], ErrCut},
		{"cut after a brace", append(bytes.Clone(good[:bytes.LastIndexByte(good[:len(good)/2], '}')+1]), '\n'), ErrTampered},
		{"something behind", append(bytes.Clone(good), []byte("{}\n")...), ErrTampered},
		{"a changed byte", change(`"op":"freeze"`, `"op":"frexze"`), ErrTampered},
		{"a changed server", change(`"server":"client"`, `"server":"cliend"`), ErrTampered},
		{"spaces", change(`"steps":[`, `"steps": [`), ErrTampered},
		{"an unknown field, digest made again", redigest(change(`"steps":[`, `"extra":1,"steps":[`)), ErrTampered},
		{"an unknown op, digest made again", redigest(change(`"op":"freeze"`, `"op":"wipe"`)), ErrTampered},
		{"an edge forwards, digest made again", redigest(change(`"after":["prepare.record_baseline[blog]@0"`, `"after":["finish.finish[spring]"`)), ErrTampered},
		{"a step behind the dates", bytes.Replace(good, []byte(`},"digest"`), []byte(`},"steps":[],"digest"`), 1), ErrTampered},
		{"bytes that are none", redigest(change(`\u0000`, `\u0000!`)), ErrTampered},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Decode(c.data)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, %v, want %v", p != nil, err, c.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "read plan: ") {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := Decode(good); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(good)); err != nil {
		t.Fatal(err)
	}
}

// TestDecodeCutAnywhere: no length of a plan is taken for a plan.
func TestDecodeCutAnywhere(t *testing.T) {
	_, good := savedPlan(t)
	for n := 0; n < len(good); n += 97 {
		if _, err := Decode(good[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken for a plan", n, len(good))
		}
	}
}

// TestDatesAreNotDigested: only dates may differ in plans of one digest.
func TestDatesAreNotDigested(t *testing.T) {
	p, a := savedPlan(t)
	digest := p.Digest
	p.Dates.FromHand = "+9 d"
	b, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if p.Digest != digest || bytes.Equal(a, b) {
		t.Errorf("digest %s became %s", digest, p.Digest)
	}
	if d, err := Digest(p); err != nil || d != digest {
		t.Errorf("Digest is %s, %v", d, err)
	}
	p.Steps[0].Why = "else"
	if d, err := Digest(p); err != nil || d == digest {
		t.Errorf("a changed step keeps the digest, %v", err)
	}
}

// TestEncodeKeepsBytes: names that are not UTF-8 come back as they were.
func TestEncodeKeepsBytes(t *testing.T) {
	p, b := savedPlan(t)
	if !utf8.Valid(b) {
		t.Error("an encoded plan is not UTF-8")
	}
	back, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Steps {
		if back.Steps[i].Account != p.Steps[i].Account {
			t.Fatalf("%q came back as %q", p.Steps[i].Account, back.Steps[i].Account)
		}
	}
	if back.Account("\xff\n\"") == nil {
		t.Error("the account is gone")
	}
}

func TestEncodeRefusesConfigurationThatIsNoText(t *testing.T) {
	w := smallWorld("shop")
	w.cfg.Migration.Stays = []schema.Stay{{Account: "\xff", Action: "retire", Reason: `\ufffd`}}
	p, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Encode(p); err == nil {
		t.Error("a configuration with bytes was encoded")
	}
	w.cfg.Migration.Stays = []schema.Stay{{Account: "\ufffd", Action: "retire", Reason: `\ufffd`}}
	p, err = Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Encode(p); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	p, err := Compute(smallWorld("shop").input())
	if err != nil {
		f.Fatal(err)
	}
	b, err := Encode(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1,"migration":"x","dates":{"computed":"` + "}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(p)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("decoded, and encoded differently: %v", err)
		}
	})
}

// FuzzQuoted: strings of any bytes come back.
func FuzzQuoted(f *testing.F) {
	for _, s := range append(awkward, "", "\x00", "\x00AAAA", "\u2028\u2029", "\x7f\x1f\b\f\r\t", `\"`, "\ufffd") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := &Plan{Version: formatVersion, Config: &schema.Config{}, Steps: []Step{{ID: "a", Op: OpPair, Account: s, Objects: []string{s}}}}
		b, err := Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(b)
		if err != nil {
			t.Fatalf("%q: %v in %s", s, err, b)
		}
		if back.Steps[0].Account != s || back.Steps[0].Objects[0] != s {
			t.Errorf("%q came back as %q", s, back.Steps[0].Account)
		}
	})
}
