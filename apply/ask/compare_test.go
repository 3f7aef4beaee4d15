package ask

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stopover/stopover/schema"
)

func box(name string, messages, validity int64) schema.SeenMailbox {
	return schema.SeenMailbox{Name: name, Messages: messages, UIDValidity: validity}
}

func TestCompare(t *testing.T) {
	site := schema.Probe{HTTP: "http://x/"}
	cart := schema.Probe{HTTP: "http://x/", Contains: "Cart", Absent: "Fatal"}
	mail := schema.Probe{IMAP: "a@b"}
	query := schema.Probe{SQL: "mariadb://a@b/c"}
	grows := schema.Probe{SQL: "mariadb://a@b/c", Grows: true}
	command := schema.Probe{Command: []string{"x"}}
	smtp := schema.Probe{SMTP: "a@b"}
	old := &schema.BaselineFact{Status: 200, Title: "Shop", Contains: true}
	seen := func(s schema.Seen) Answer { return Answer{Seen: s} }
	base := func(s schema.Seen) *schema.BaselineFact { return &schema.BaselineFact{Seen: s} }
	rows := func(kind string, cells ...string) schema.Seen {
		s := schema.Seen{Kind: kind}
		for _, c := range cells {
			s.Rows = append(s.Rows, strings.Split(c, "|"))
		}
		return s
	}
	boxes := func(b ...schema.SeenMailbox) schema.Seen { return schema.Seen{Kind: "imap", Mailboxes: b} }
	for _, c := range []struct {
		name string
		p    schema.Probe
		base *schema.BaselineFact
		a    Answer
		why  string
	}{
		{"equal", cart, old, Answer{Status: 200, Title: "Shop", Contains: true}, ""},
		{"status", site, old, Answer{Status: 500, Title: "Shop", Contains: true}, "status 500 instead of 200"},
		{"title", site, old, Answer{Status: 200, Title: "Welcome to nginx", Contains: true}, `title was "Shop" and is "Welcome to nginx"`},
		{"text is gone", cart, old, Answer{Status: 200, Title: "Shop"}, `"Cart" is not in the page`},
		{"text is there", cart, old, Answer{Status: 200, Title: "Shop", Contains: true, Seen: schema.Seen{Found: true}}, `"Fatal" is in the page`},
		{"status named in the probe", schema.Probe{HTTP: "http://x/", Status: 302}, old, Answer{Status: 302, Title: "Shop", Contains: true}, ""},
		{"no baseline, answers", site, nil, Answer{Status: 404, Title: "x"}, ""},
		{"no baseline, broken", site, nil, Answer{Status: 502}, "status 502"},
		{"404 before and after", site, &schema.BaselineFact{Status: 404}, Answer{Status: 404}, ""},
		{"redirects of an old baseline are not known", site, &schema.BaselineFact{Status: 301}, Answer{Status: 301, Seen: schema.Seen{Kind: "http", Redirects: []string{"301 http://y/"}}}, ""},
		{"redirects elsewhere", site, &schema.BaselineFact{Status: 301, Seen: schema.Seen{Kind: "http", Redirects: []string{"301 http://y/"}}},
			Answer{Status: 301, Seen: schema.Seen{Kind: "http", Redirects: []string{"301 http://z/"}}}, `redirects were "301 http://y/" and are "301 http://z/"`},
		{"redirects no more", site, &schema.BaselineFact{Status: 301, Seen: schema.Seen{Kind: "http", Redirects: []string{"301 http://y/"}}},
			Answer{Status: 200, Seen: schema.Seen{Kind: "http"}}, `status 200 instead of 301, redirects were "301 http://y/" and are none`},
		{"other kind", mail, &schema.BaselineFact{Status: 200, Seen: schema.Seen{Kind: "http"}}, seen(boxes()), "its baseline is of another kind of probe, http, and says nothing of imap"},

		{"mail arrived", mail, base(boxes(box("INBOX", 3012, 7))), seen(boxes(box("INBOX", 3013, 7), box("Sent", 1, 8))), ""},
		{"mail is gone", mail, base(boxes(box("INBOX", 3012, 7))), seen(boxes(box("INBOX", 3010, 7))), "INBOX had 3,012 messages and has 3,010"},
		{"mailbox is gone", mail, base(boxes(box("INBOX", 1, 7), box("Sent", 1, 8))), seen(boxes(box("INBOX", 1, 7))), "Sent had 1 message and is gone"},
		{"other validity", mail, base(boxes(box("INBOX", 1, 7))), seen(boxes(box("INBOX", 1, 9))), "UIDVALIDITY of INBOX was 7 and is 9: clients fetch all its mail again"},
		{"not kept", mail, base(boxes(box("INBOX", 1, 7))), seen(schema.Seen{Kind: "imap", Cut: true}), ""},
		{"a named one is missing", schema.Probe{IMAP: "a@b", Mailboxes: []string{"Sent"}}, nil, seen(boxes()), "there is no mailbox Sent"},
		{"login refused", mail, base(boxes(box("INBOX", 1, 7))), seen(schema.Seen{Kind: "imap", Refused: "login: NO"}), "login: NO"},

		{"same rows", query, base(rows("sql", "1|a", "2|b")), seen(rows("sql", "1|a", "2|b")), ""},
		{"value", query, base(rows("sql", "41")), seen(rows("sql", "42")), `the value was "41" and is "42"`},
		{"cell", query, base(rows("sql", "1|a", "2|b")), seen(rows("sql", "1|a", "2|c")), `row 2, column 2 was "b" and is "c"`},
		{"rows", query, base(rows("sql", "1", "2")), seen(rows("sql", "1")), "the query had 2 rows and has 1 row"},
		{"grows", grows, base(rows("sql", "41")), seen(rows("sql", "42")), ""},
		{"more rows", grows, base(rows("sql", "1|a")), seen(rows("sql", "1|a", "2|b")), ""},
		{"shrinks", grows, base(rows("sql", "41")), seen(rows("sql", "40")), `the value was "41" and is "40"`},
		{"text does not grow", grows, base(rows("sql", "a")), seen(rows("sql", "b")), `the value was "a" and is "b"`},
		{"columns", query, base(rows("sql", "1|a")), seen(rows("sql", "1")), "row 1 had 2 columns and has 1"},

		{"command", command, &schema.BaselineFact{Seen: schema.Seen{Kind: "command", Line: "ok"}}, seen(schema.Seen{Kind: "command", Line: "ok"}), ""},
		{"command ends otherwise", command, &schema.BaselineFact{Seen: schema.Seen{Kind: "command", Line: "ok"}}, Answer{Status: 2, Seen: schema.Seen{Kind: "command", Line: "bad"}},
			`it ended with status 0 and ends with 2, its first line was "ok" and is "bad"`},
		{"command alone", command, nil, Answer{Status: 2}, "it ended with status 2"},

		{"STARTTLS is gone", smtp, &schema.BaselineFact{Status: 250, Seen: schema.Seen{Kind: "smtp", Offers: []string{"STARTTLS"}}},
			Answer{Status: 250, Contains: true, Seen: schema.Seen{Kind: "smtp"}}, "STARTTLS was offered and is not"},
		{"mail refused", smtp, nil, Answer{Status: 550}, "mail for a@b is refused with 550"},
		{"mail later", smtp, nil, Answer{Status: 451}, "mail for a@b is put off with 451"},
		{"port", schema.Probe{TCP: "x:1", Contains: "220"}, nil, Answer{}, `"220" is not in what the server says first`},
	} {
		if r := Compare(c.p, c.base, c.a); r.Why != c.why || r.OK != (c.why == "") {
			t.Errorf("%s: %q, want %q", c.name, r.Why, c.why)
		}
	}
}

func TestFew(t *testing.T) {
	var was, is schema.Seen
	for i := range 9 {
		was.Mailboxes = append(was.Mailboxes, box(fmt.Sprint("b", i), 2, 1))
		is.Mailboxes = append(is.Mailboxes, box(fmt.Sprint("b", i), 1, 1))
	}
	r := Compare(schema.Probe{IMAP: "a"}, &schema.BaselineFact{Seen: was}, Answer{Seen: is})
	if !strings.HasSuffix(r.Why, "b4 had 2 messages and has 1, and 4 more") {
		t.Error(r.Why)
	}
}

// What was remembered before there were kinds is read, and is no difference.
func TestOldBaseline(t *testing.T) {
	var base schema.BaselineFact
	if err := json.Unmarshal([]byte(`{"probe":"home","status":200,"title":"Shop","contains":true}`), &base); err != nil {
		t.Fatal(err)
	}
	a := Answer{Status: 200, Title: "Shop", Contains: true, Seen: schema.Seen{Kind: "http", Certificate: &schema.SeenCertificate{Issuer: "x"}}}
	if r := Compare(schema.Probe{HTTP: "http://x/"}, &base, a); !r.OK {
		t.Error(r.Why)
	}
	b, err := json.Marshal(schema.BaselineFact{Probe: "home", Status: 200, Title: "Shop", Contains: true})
	if err != nil || string(b) != `{"probe":"home","status":200,"title":"Shop","contains":true}` {
		t.Errorf("%s %v", b, err)
	}
	again := Baseline("home", a)
	if b, err := json.Marshal(again); err != nil || json.Unmarshal(b, &base) != nil || base.Kind != "http" || base.Certificate == nil {
		t.Errorf("%+v %v", base, err)
	}
}

func TestFit(t *testing.T) {
	for why, c := range map[string]struct {
		p schema.Probe
		a Answer
	}{
		"":  {schema.Probe{HTTP: "http://x/"}, Answer{Status: 500}}, // it was like that before
		"x": {schema.Probe{HTTP: "http://x/"}, Answer{Seen: schema.Seen{Refused: "x"}}},
		"status 200, and the configuration says 204": {schema.Probe{HTTP: "http://x/", Status: 204}, Answer{Status: 200}},
		`"Cart" is not in the page`:                  {schema.Probe{HTTP: "http://x/", Contains: "Cart"}, Answer{Status: 200}},
		`"ok" is not in the output`:                  {schema.Probe{Command: []string{"x"}, Contains: "ok"}, Answer{Status: 1}},
		"mail for a@b is refused with 550":           {schema.Probe{SMTP: "a@b"}, Answer{Status: 550}},
		"there is no mailbox Sent":                   {schema.Probe{IMAP: "a@b", Mailboxes: []string{"Sent"}}, Answer{}},
	} {
		if got := Fit(c.p, c.a); got != why {
			t.Errorf("%q, want %q", got, why)
		}
	}
}
