package dns

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/stopover/stopover/schema"
)

const zoneText = `
$ORIGIN shop.example.
$TTL 300
@        IN SOA ns1.host.example. admin.host.example. 1 3600 600 86400 300
@        IN NS  ns1.host.example.
@        IN NS  ns2.host.example.
@        IN A   192.0.2.10
@        IN AAAA 2001:db8::10
@        IN MX  5  mx5.host.example.
@        IN MX  10 mx1.host.example.
@        IN TXT "v=spf1 include:host.example " "-all"
@        IN TXT "google-site-verification=secret"
@        IN CAA 0 issue "letsencrypt.org"
www  60  IN CNAME shop.example.
*.tenants IN A 192.0.2.11
a.b      IN A   192.0.2.12
loop     IN CNAME loop2
loop2    IN CNAME loop
out      IN CNAME elsewhere.test.

$ORIGIN blog.example.
@        IN SOA ns.other.example. a.other.example. 1 3600 600 86400 300
@        IN NS  ns.other.example.
@        IN NS  ns1.host.example.
@        IN A   198.51.100.7
`

func at() time.Time { return time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC) }

func ttl(n int) time.Duration { return time.Duration(n) * time.Second }

// wanted is what both sources must say of zoneText.
func wanted() []schema.FoundName {
	own := func(n schema.FoundName) schema.FoundName {
		n.Zone, n.Managed, n.Checked = "shop.example", Provider, at()
		return n
	}
	return []schema.FoundName{
		own(schema.FoundName{Name: "a.b.shop.example", Records: []schema.DNSRecord{{Type: "A", Value: "192.0.2.12", TTL: ttl(300)}}}),
		own(schema.FoundName{Name: "b.shop.example"}), // exists, because something is below it
		{Name: "blog.example", Zone: "blog.example", Managed: External, Checked: at(), Records: []schema.DNSRecord{{Type: "A", Value: "198.51.100.7", TTL: ttl(300)}}},
		own(schema.FoundName{Name: "gone.shop.example", Missing: true}),
		own(schema.FoundName{Name: "shop.example", Records: []schema.DNSRecord{
			{Type: "A", Value: "192.0.2.10", TTL: ttl(300)},
			{Type: "AAAA", Value: "2001:db8::10", TTL: ttl(300)},
			{Type: "CAA", Value: `0 issue "letsencrypt.org"`, TTL: ttl(300)},
			{Type: "MX", Value: "mx5.host.example", Pref: 5, TTL: ttl(300)},
			{Type: "MX", Value: "mx1.host.example", Pref: 10, TTL: ttl(300)},
			{Type: "TXT", Value: "v=spf1 include:host.example -all", TTL: ttl(300)},
		}}),
		own(schema.FoundName{Name: "www.shop.example", Records: []schema.DNSRecord{
			{Type: "A", Value: "192.0.2.10", TTL: ttl(300)},
			{Type: "AAAA", Value: "2001:db8::10", TTL: ttl(300)},
			{Type: "CAA", Value: `0 issue "letsencrypt.org"`, TTL: ttl(300)},
			{Type: "CNAME", Value: "shop.example", TTL: ttl(60)},
			{Type: "MX", Value: "mx5.host.example", Pref: 5, TTL: ttl(300)},
			{Type: "MX", Value: "mx1.host.example", Pref: 10, TTL: ttl(300)},
			{Type: "TXT", Value: "v=spf1 include:host.example -all", TTL: ttl(300)},
		}}),
		own(schema.FoundName{Name: "x.tenants.shop.example", Records: []schema.DNSRecord{{Type: "A", Value: "192.0.2.11", TTL: ttl(300)}}}),
	}
}

var asked = []string{"WWW.shop.example.", "shop.example", "blog.example", "gone.shop.example", "x.tenants.shop.example", "a.b.shop.example", "b.shop.example", "shop.example"}

func TestZoneFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "zones.db"), []byte(zoneText), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := Survey(t.Context(), schema.Resolver{ZoneFile: "zones.db", Provider: []string{"Host.example."}}, dir, asked, at)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(wanted(), found.Names); d != "" {
		t.Error(d)
	}
	if found.Name("shop.example") == nil || found.Name("nothing.example") != nil {
		t.Error("names are not found again in the survey")
	}
}

// The same zone behind a real name server brings the same answers.
func TestNameServer(t *testing.T) {
	z, err := parseZones("zones.db", []byte(zoneText))
	if err != nil {
		t.Fatal(err)
	}
	addr := serve(t, z.handle)
	found, err := Survey(t.Context(), schema.Resolver{Servers: []string{addr}, Provider: []string{"host.example"}}, "", asked, at)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(wanted(), found.Names); d != "" {
		t.Error(d)
	}
}

// handle makes a zone file's answers look like those of a name server.
func (z *zones) handle(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	a, err := z.ask(context.Background(), q.Question[0].Name, q.Question[0].Qtype)
	switch {
	case err != nil:
		m.Rcode = dns.RcodeRefused
	case a.missing:
		m.Rcode = dns.RcodeNameError
	}
	m.Answer = a.records
	if len(a.records) == 0 && a.apex != "" {
		m.Ns = z.byKey[key{a.apex, dns.TypeSOA}]
	}
	_ = w.WriteMsg(m)
}

// serve answers on loopback, by datagram and by stream.
func serve(t *testing.T, h dns.HandlerFunc) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = s.ActivateAndServe()
		}()
		<-started
		t.Cleanup(func() {
			_ = s.Shutdown()
			<-ended
		})
	}
	return pc.LocalAddr().String()
}

func surveyOne(t *testing.T, name string, addrs ...string) schema.FoundName {
	t.Helper()
	found, err := Survey(t.Context(), schema.Resolver{Servers: addrs, Timeout: 300 * time.Millisecond}, "", []string{name}, at)
	if err != nil {
		t.Fatal(err)
	}
	return found.Names[0]
}

func TestServersThatMisbehave(t *testing.T) {
	reply := func(change func(m *dns.Msg)) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg)
			m.SetReply(q)
			change(m)
			_ = w.WriteMsg(m)
		}
	}
	cases := map[string]struct {
		h    dns.HandlerFunc
		want string
	}{
		"refuses":          {reply(func(m *dns.Msg) { m.Rcode = dns.RcodeRefused }), "refuses to say (REFUSED)"},
		"fails":            {reply(func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }), "refuses to say (SERVFAIL)"},
		"another question": {reply(func(m *dns.Msg) { m.Question[0].Name = "evil.example." }), "answered another question"},
		"echo":             {func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(q) }, "sent something that is no answer"},
		"garbage":          {func(w dns.ResponseWriter, _ *dns.Msg) { _, _ = w.Write([]byte("hello")) }, "name server"},
		"silence":          {func(dns.ResponseWriter, *dns.Msg) {}, "i/o timeout"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			n := surveyOne(t, "shop.example", serve(t, c.h))
			if !strings.Contains(n.Error, c.want) || n.Managed != Unknown || len(n.Records) > 0 {
				t.Errorf("got %+v, want an error with %q", n, c.want)
			}
		})
	}
}

// Records of other names, which a server put beside its answer, do not count;
// neither does a zone that the name is not in.
func TestAnswersAreOnlyOfTheName(t *testing.T) {
	h := func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		for _, s := range []string{"shop.example. 60 IN A 192.0.2.1", "bank.example. 60 IN A 192.0.2.66", "shop.example. 60 CH A 192.0.2.3"} {
			if rr, err := dns.NewRR(s); err == nil && rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		soa, _ := dns.NewRR("bank.example. 60 IN SOA a. b. 1 1 1 1 1")
		m.Ns = []dns.RR{soa}
		_ = w.WriteMsg(m)
	}
	n := surveyOne(t, "shop.example", serve(t, h))
	want := schema.FoundName{Name: "shop.example", Managed: Unknown, Checked: at(), Records: []schema.DNSRecord{{Type: "A", Value: "192.0.2.1", TTL: ttl(60)}}}
	if d := cmp.Diff(want, n); d != "" {
		t.Error(d)
	}
}

func TestLargeAnswersComeByStream(t *testing.T) {
	h := func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			for i := range 200 {
				rr, _ := dns.NewRR(fmt.Sprintf("shop.example. 60 IN A 192.0.2.%d", i))
				m.Answer = append(m.Answer, rr)
			}
			if w.RemoteAddr().Network() == "udp" {
				m.Truncate(512)
			}
		}
		_ = w.WriteMsg(m)
	}
	n := surveyOne(t, "shop.example", serve(t, h))
	if len(n.Records) != maxRecords || n.Error != "" {
		t.Errorf("%d records, error %q; want %d", len(n.Records), n.Error, maxRecords)
	}
}

func TestTheNextServerIsAsked(t *testing.T) {
	z, err := parseZones("zones.db", []byte(zoneText))
	if err != nil {
		t.Fatal(err)
	}
	dead := serve(t, func(dns.ResponseWriter, *dns.Msg) {})
	if n := surveyOne(t, "a.b.shop.example", dead, serve(t, z.handle)); n.Error != "" || len(n.Records) != 1 {
		t.Errorf("got %+v", n)
	}
}

func TestHostileNames(t *testing.T) {
	z := filepath.Join(t.TempDir(), "z")
	if err := os.WriteFile(z, []byte(zoneText), 0o600); err != nil {
		t.Fatal(err)
	}
	names := []string{"-", "a b.example", "x\n.shop.example", "\x1b[2J.example", strings.Repeat("a", 64) + ".example", "../etc/passwd", "\xff.example", "münchen.example", "*"}
	found, err := Survey(t.Context(), schema.Resolver{ZoneFile: z}, "", names, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range found.Names {
		if n.Error == "" || strings.ContainsAny(n.Error, "\n\x1b") {
			t.Errorf("%q: error %q", n.Name, n.Error)
		}
	}
}

func TestConfigurationsThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "broken": "$ORIGIN x.\n@ IN A not-an-address\n", "include": "$INCLUDE /etc/passwd\n", "no-soa": "a.example. 1 IN A 192.0.2.1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]string{"missing": "no such file", "empty": "holds no SOA", "broken": `zone file broken: dns: bad A A: "not-an-address" at line: 2`, "include": "$INCLUDE directive not allowed", "no-soa": "holds no SOA"} {
		_, err := Survey(t.Context(), schema.Resolver{ZoneFile: file}, dir, nil, at)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
	if _, err := Survey(t.Context(), schema.Resolver{}, dir, nil, at); err == nil {
		t.Error("nothing to ask was accepted")
	}
}

func TestNames(t *testing.T) {
	inv := &schema.Inventory{Servers: map[string]*schema.FoundServer{
		"a": {Accounts: []*schema.FoundAccount{{Domains: []schema.Domain{{Name: "B.example."}}, Mail: schema.Mail{Mailboxes: []string{"x@mail.example", "odd"}}}}},
		"b": {Accounts: []*schema.FoundAccount{{Domains: []schema.Domain{{Name: "b.example"}}, Sites: []schema.Site{{Domain: "a.example"}}}}},
	}}
	if d := cmp.Diff([]string{"a.example", "b.example", "mail.example"}, Names(inv)); d != "" {
		t.Error(d)
	}
}

// FuzzAnswer: whatever a server sends, it is refused or read within bounds.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"shop.example. 60 IN A 192.0.2.1", "shop.example. 60 IN CNAME shop.example.", "shop.example. 1 IN MX 5 .", `shop.example. 1 IN TXT "v=spf1" "x"`, `shop.example. 1 IN CAA 0 issue "\"x"`} {
		rr, err := dns.NewRR(s)
		if err != nil {
			f.Fatal(err)
		}
		m := new(dns.Msg)
		m.SetQuestion("shop.example.", rr.Header().Rrtype)
		m.Response, m.Answer, m.Ns = true, []dns.RR{rr, rr}, []dns.RR{rr}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m dns.Msg
		if m.Unpack(b) != nil {
			return
		}
		for _, kind := range kinds {
			a, err := read(&m, "shop.example", kind)
			if err != nil {
				t.Fatal(err)
			}
			list := tidy(recordsOf(a.records, kind))
			if len(list) > maxRecords {
				t.Fatalf("%d records", len(list))
			}
			for _, r := range list {
				if len(r.Value) > maxValue {
					t.Fatalf("a value of %d bytes", len(r.Value))
				}
			}
		}
	})
}

// Name servers that are away are not waited for name by name: a rollback of ten
// thousand accounts would begin hours later.
func TestServersThatAreAway(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	var asked atomic.Int64
	go func() {
		b := make([]byte, 4096)
		for {
			if _, _, err := silent.ReadFrom(b); err != nil {
				return
			}
			asked.Add(1)
		}
	}()
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("n%d.example", i)
	}
	found, err := Survey(t.Context(), schema.Resolver{Servers: []string{silent.LocalAddr().String()}, Timeout: 20 * time.Millisecond}, "", names, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range found.Names {
		if n.Error == "" || n.Missing {
			t.Fatalf("%+v", n)
		}
	}
	if !strings.Contains(found.Names[999].Error, "did not answer the last") {
		t.Error(found.Names[999].Error)
	}
	if n := asked.Load(); n > 200 {
		t.Errorf("%d questions", n)
	}
}

// Somebody whose many names nobody answers for keeps no other name from being
// asked for.
func TestSilenceOfOneOwner(t *testing.T) {
	at := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if strings.HasSuffix(q.Question[0].Name, ".dead.example.") {
			return
		}
		m := new(dns.Msg)
		m.SetReply(q)
		_ = w.WriteMsg(m)
	})
	var names []string
	for i := range 60 {
		names = append(names, fmt.Sprintf("n%d.dead.example", i))
	}
	for i := range 200 {
		names = append(names, fmt.Sprintf("n%d.live.example", i))
	}
	found, err := Survey(t.Context(), schema.Resolver{Servers: []string{at}, Timeout: 100 * time.Millisecond}, "", names, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range found.Names {
		if strings.HasSuffix(n.Name, ".live.example") && n.Error != "" {
			t.Errorf("%s: %s", n.Name, n.Error)
		}
	}
}
