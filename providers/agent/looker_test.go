package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// fakeLooker answers as a test says; what passes the wire is what is under test.
type fakeLooker struct {
	accounts []*schema.FoundAccount
	server   *schema.FoundServer // nil: one with the layout that was asked for
	err      error
}

func (f *fakeLooker) Look(_ context.Context, q LookRequest, account func(*schema.FoundAccount) error, progress func(providers.Progress)) (*schema.FoundServer, error) {
	for i, a := range f.accounts {
		if err := account(a); err != nil {
			return nil, err
		}
		progress(providers.Progress{Items: int64(i + 1)})
	}
	if f.server != nil {
		return f.server, f.err
	}
	return &schema.FoundServer{Layout: q.Layout.Name, System: &schema.System{OS: "debian-12"}}, f.err
}

func (f *fakeLooker) Dump(_ context.Context, q DumpRequest, w io.Writer) (Dumped, error) {
	n, err := io.WriteString(w, strings.Repeat(q.Database, 1<<20))
	return Dumped{Bytes: int64(n), Tables: map[string]int64{"t": 7}}, err
}

func (f *fakeLooker) Load(_ context.Context, q LoadRequest, r io.Reader) (schema.TriedDatabase, error) {
	if f.err != nil { // without reading the rest
		return schema.TriedDatabase{}, f.err
	}
	n, err := io.Copy(io.Discard, r)
	return schema.TriedDatabase{Name: q.Database, Engine: q.Engine, Bytes: n}, err
}

func lookPair(t *testing.T, l Looker) *LookClient {
	t.Helper()
	here, there := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- ServeLooker(t.Context(), there, l, hclog.NewNullLogger()) }()
	c, err := NewLookClient("test", func(context.Context, string) (net.Conn, error) { return here, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		if err := <-served; err != nil {
			t.Errorf("the looker ended with %v", err)
		}
	})
	return c
}

func TestLook(t *testing.T) {
	f := &fakeLooker{}
	for i := range 300 {
		f.accounts = append(f.accounts, &schema.FoundAccount{Name: fmt.Sprintf("a%03d", i), Files: schema.Files{Bytes: int64(i)}})
	}
	c := lookPair(t, f)
	told := int64(0)
	found, err := c.Look(t.Context(), LookRequest{Layout: schema.Layout{Name: "debian"}}, func(p providers.Progress) { told = p.Items })
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Accounts) != 300 || found.Accounts[299].Files.Bytes != 299 || found.Layout != "debian" || found.System.OS != "debian-12" || told != 300 {
		t.Errorf("found %d accounts, layout %q, system %+v, progress %d", len(found.Accounts), found.Layout, found.System, told)
	}
	f.err = fmt.Errorf("%w: no such layout", providers.ErrRefused)
	if _, err := c.Look(t.Context(), LookRequest{}, nil); !errors.Is(err, providers.ErrRefused) {
		t.Errorf("error %v is not the one that the looker gave", err)
	}
}

// TestLookShortens: whichever list is too long, of an account or of the server,
// and in number or in bytes: the survey arrives, and says what it lost.
func TestLookShortens(t *testing.T) {
	long := strings.Repeat("x", 2<<20)
	for _, tt := range []struct {
		name    string
		account schema.FoundAccount
		cut     []string
		stops   bool
	}{
		{"lines", schema.FoundAccount{Lines: slices.Repeat([]schema.Line{{Path: strings.Repeat("x", 50)}}, 100_000)}, []string{"lines"}, false},
		{"links", schema.FoundAccount{Links: slices.Repeat([]schema.Link{{Path: long}}, 3)}, []string{"links"}, false},
		{"mailboxes", schema.FoundAccount{Mail: schema.Mail{Mailboxes: slices.Repeat([]string{long}, 3)}}, []string{"mailboxes"}, true},
		{"folders", schema.FoundAccount{Mail: schema.Mail{Boxes: slices.Repeat([]schema.Mailbox{{Address: "a", Folders: []schema.MailFolder{{Name: long}}}}, 3)}}, []string{"folders"}, true},
		{"sieve", schema.FoundAccount{Mail: schema.Mail{Boxes: []schema.Mailbox{{Sieve: slices.Repeat([]schema.Sieve{{Path: long}}, 3)}}}}, []string{"sieve"}, true},
		{"boxes", schema.FoundAccount{Mail: schema.Mail{Boxes: slices.Repeat([]schema.Mailbox{{Address: long}}, 3)}}, []string{"boxes"}, true},
		{"services", schema.FoundAccount{Services: slices.Repeat([]schema.Service{{Command: long}}, 3)}, []string{"services"}, true},
		{"timers", schema.FoundAccount{Timers: slices.Repeat([]schema.Timer{{Command: long}}, 3)}, []string{"timers"}, true},
		{"grants", schema.FoundAccount{DatabaseUsers: []schema.DatabaseUser{{Name: "u", Grants: slices.Repeat([]string{long}, 3)}}}, []string{"grants"}, true},
		{"database users", schema.FoundAccount{DatabaseUsers: slices.Repeat([]schema.DatabaseUser{{Name: long}}, 3)}, []string{"database_users"}, true},
		{"tables", schema.FoundAccount{Databases: []schema.Database{{Name: "d", Detail: &schema.ObjectDetail{Tables: slices.Repeat([]schema.Table{{Name: long}}, 3)}}}}, []string{"tables"}, false},
		{"databases", schema.FoundAccount{Databases: slices.Repeat([]schema.Database{{Name: long}}, 3)}, []string{"databases"}, true},
		{"sites", schema.FoundAccount{Sites: slices.Repeat([]schema.Site{{Root: long}}, 3)}, []string{"sites"}, true},
		{"names of sites", schema.FoundAccount{Sites: []schema.Site{{Names: slices.Repeat([]string{long}, 3)}}}, []string{"sites.names"}, true},
		{"pools", schema.FoundAccount{Pools: []schema.Pool{{Settings: map[string]string{"a": long, "b": long, "c": long}}}}, []string{"pools.settings"}, true},
		{"keys", schema.FoundAccount{User: &schema.User{Keys: slices.Repeat([]schema.Key{{Comment: long}}, 3)}}, []string{"keys"}, true},
		{"number of domains", schema.FoundAccount{Domains: make([]schema.Domain, maxList+1)}, []string{"domains"}, true},
		{"number in all", schema.FoundAccount{Databases: slices.Repeat([]schema.Database{{Detail: &schema.ObjectDetail{Unlogged: make([]string, 60_000)}}}, 10)}, []string{"databases.unlogged"}, false},
		{"two", schema.FoundAccount{Lines: slices.Repeat([]schema.Line{{Path: long}}, 3), Services: slices.Repeat([]schema.Service{{Command: long}}, 4)}, []string{"lines", "services"}, true},
		{"findings", schema.FoundAccount{Findings: append(slices.Repeat([]schema.Finding{{Severity: schema.Warning, Summary: strings.Repeat("x", 8000)}}, 1000), schema.Finding{Severity: schema.Blocker})}, []string{"findings"}, true},
		{"long findings", schema.FoundAccount{Findings: slices.Repeat([]schema.Finding{{Severity: schema.Blocker, Summary: long}}, 200)}, []string{"findings"}, true},
		{"no list", schema.FoundAccount{User: &schema.User{Home: long + long + long}}, []string{"everything"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.account.Name, tt.account.UID, tt.account.Files.Bytes = "big", 1001, 7
			found, err := lookPair(t, &fakeLooker{accounts: []*schema.FoundAccount{{Name: "a"}, &tt.account, {Name: "z"}}}).Look(t.Context(), LookRequest{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := found.Accounts[1]
			if len(found.Accounts) != 3 || got.Name != "big" || got.UID != 1001 || got.Files.Bytes != 7 || !slices.Equal(got.Truncated, tt.cut) {
				t.Errorf("%d accounts arrived, truncated %v, want %v", len(found.Accounts), got.Truncated, tt.cut)
			}
			if stops := slices.ContainsFunc(got.Findings, func(f schema.Finding) bool { return f.Blocks() }); stops != tt.stops {
				t.Errorf("stopped %v, want %v", stops, tt.stops)
			}
		})
	}
}

// TestLookShortensServer does the same for what is told of the server itself.
func TestLookShortensServer(t *testing.T) {
	long := strings.Repeat("x", 2<<20)
	three := slices.Repeat([]string{long}, 3)
	for _, tt := range []struct {
		cut    string
		server schema.FoundServer
	}{
		{"residue", schema.FoundServer{Residue: slices.Repeat([]schema.Residue{{Path: long}}, 3)}},
		{"residue", schema.FoundServer{Residue: make([]schema.Residue, maxList+1)}},
		{"services", schema.FoundServer{Services: map[string]string{"a": long, "b": long, "c": long}}},
		{"settings", schema.FoundServer{System: &schema.System{Settings: slices.Repeat([]schema.Setting{{Value: long}}, 3)}}},
		{"packages", schema.FoundServer{System: &schema.System{Packages: slices.Repeat([]schema.Software{{Name: long}}, 3)}}},
		{"engines.databases.tables", schema.FoundServer{System: &schema.System{Engines: []schema.Engine{{Databases: []schema.Database{{Detail: &schema.ObjectDetail{Tables: slices.Repeat([]schema.Table{{Name: long}}, 3)}}}}}}}},
		{"engines.users", schema.FoundServer{System: &schema.System{Engines: []schema.Engine{{Users: slices.Repeat([]schema.DatabaseUser{{Name: long}}, 3)}}}}},
		{"firewall", schema.FoundServer{System: &schema.System{Firewall: three}}},
		{"libraries", schema.FoundServer{System: &schema.System{Libraries: three}}},
		{"unknown", schema.FoundServer{System: &schema.System{Unknown: slices.Repeat([]schema.Unknown{{Why: long}}, 3)}}},
		{"ports", schema.FoundServer{System: &schema.System{Ports: slices.Repeat([]schema.Port{{Program: long}}, 3)}}},
		{"everything", schema.FoundServer{System: &schema.System{Kernel: long + long + long}}},
	} {
		t.Run(tt.cut, func(t *testing.T) {
			tt.server.Machine = "m"
			found, err := lookPair(t, &fakeLooker{server: &tt.server, accounts: []*schema.FoundAccount{{Name: "a"}}}).Look(t.Context(), LookRequest{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(found.Accounts) != 1 || found.Machine != "m" || len(found.Findings) != 1 || found.Findings[0].Code != "survey-incomplete" || found.Findings[0].Object != tt.cut || !found.Findings[0].Blocks() {
				t.Errorf("%d accounts arrived, machine %q, findings %+v, want %s cut", len(found.Accounts), found.Machine, found.Findings, tt.cut)
			}
		})
	}
}

// TestLookRefuses: lengths and numbers that no agent sends are refused before
// memory is taken for them.
func TestLookRefuses(t *testing.T) {
	event := func(data []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...)
	}
	list := func(n int) []byte { // an account with n empty databases
		b := append([]byte{0xa1, 0x67}, "Account\xa1\x69databases\x9a"...)
		return append(binary.BigEndian.AppendUint32(b, uint32(n)), bytes.Repeat([]byte{0xa0}, n)...)
	}
	nested := append([]byte{0xa1, 0x67}, "Account\xa1\x69databases\x8a"...) // ten databases with 60,000 tables each
	for range 10 {
		nested = append(nested, "\xa1\x66detail\xa1\x66tables\x99\xea\x60"...)
		nested = append(nested, bytes.Repeat([]byte{0xa0}, 60_000)...)
	}
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":         {nil, io.ErrUnexpectedEOF.Error()},
		"half a length":   {[]byte{0, 0}, io.ErrUnexpectedEOF.Error()},
		"half an event":   {[]byte{0, 0, 0, 9, 0xa0}, io.ErrUnexpectedEOF.Error()},
		"empty":           {[]byte{0, 0, 0, 0}, "0 bytes"},
		"long":            {[]byte{0xff, 0xff, 0xff, 0xff}, "4294967295 bytes"},
		"one byte more":   {binary.BigEndian.AppendUint32(nil, maxEvent+1), "4194305 bytes"},
		"a long list":     {event(list(maxList + 1)), "max number of elements"},
		"a claimed list":  {event(list(9)[:24]), "not CBOR"},
		"many lists":      {event(nested), "600010 elements"},
		"two in one":      {event([]byte{0xa0, 0xa0}), "extraneous"},
		"after the end":   {append(event([]byte("\xa1\x66Server\xa0")), 0, 0, 0, 1, 0xa0), "goes on after"},
		"indefinite list": {event([]byte{0x9f, 0xff}), "not CBOR"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readLook(bytes.NewReader(tt.data), nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
		})
	}
}

func TestDumpAndLoad(t *testing.T) {
	f := &fakeLooker{}
	c := lookPair(t, f)
	var b bytes.Buffer
	d, err := c.Dump(t.Context(), DumpRequest{Database: "shop"}, &b)
	if err != nil || d.Bytes != 4<<20 || b.Len() != 4<<20 || d.Tables["t"] != 7 {
		t.Fatalf("dump: %v, %+v, %d bytes", err, d, b.Len())
	}
	tried, err := c.Load(t.Context(), LoadRequest{Engine: "mariadb", Database: "shop"}, &b)
	if err != nil || tried.Bytes != 4<<20 || tried.Name != "shop" {
		t.Fatalf("load: %v, %+v", err, tried)
	}
	f.err = fmt.Errorf("%w: disk full", providers.ErrRefused)
	if _, err := c.Load(t.Context(), LoadRequest{}, strings.NewReader(strings.Repeat("x", 32<<20))); !errors.Is(err, providers.ErrRefused) {
		t.Errorf("a load that is refused while it is sent: %v", err)
	}
}

// FuzzReadLook: whatever a server sends as its survey, it ends in an answer or an
// error, with bounded memory.
func FuzzReadLook(f *testing.F) {
	var b bytes.Buffer
	w := newLookWriter(&b)
	w.progress(providers.Progress{Items: 1})
	_ = w.account(&schema.FoundAccount{Name: "a", Lines: []schema.Line{{Kind: "shebang"}}})
	_ = w.server(&schema.FoundServer{System: &schema.System{OS: "debian-12"}})
	f.Add(b.Bytes())
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 0x40, 0, 1, 0xa0})
	f.Add([]byte{0, 0, 0, 10, 0xa1, 0x67, 'A', 'c', 'c', 'o', 'u', 'n', 't', 0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := readLook(bytes.NewReader(data), nil)
		if (found == nil) == (err == nil) {
			t.Fatalf("found %v, error %v", found, err)
		}
	})
}
