package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// fakeLooker answers as a test says; what passes the wire is what is under test.
type fakeLooker struct {
	accounts []*schema.FoundAccount
	err      error
}

func (f *fakeLooker) Look(_ context.Context, q LookRequest, account func(*schema.FoundAccount) error, progress func(providers.Progress)) (*schema.FoundServer, error) {
	for i, a := range f.accounts {
		if err := account(a); err != nil {
			return nil, err
		}
		progress(providers.Progress{Items: int64(i + 1)})
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

// TestLookShortens: an account with more to say than an event holds arrives, and
// says what it lost.
func TestLookShortens(t *testing.T) {
	a := &schema.FoundAccount{Name: "big"}
	for range 100_000 {
		a.Lines = append(a.Lines, schema.Line{Path: strings.Repeat("x", 50)})
	}
	found, err := lookPair(t, &fakeLooker{accounts: []*schema.FoundAccount{a}}).Look(t.Context(), LookRequest{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := found.Accounts[0]; len(got.Lines) != 0 || len(got.Truncated) != 1 || got.Truncated[0] != "lines" {
		t.Errorf("%d lines arrived, truncated %v", len(got.Lines), got.Truncated)
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
	_ = w.put(&lookEvent{Server: &schema.FoundServer{System: &schema.System{OS: "debian-12"}}})
	f.Add(b.Bytes())
	f.Add([]byte{0xa1, 0x67, 'A', 'c', 'c', 'o', 'u', 'n', 't', 0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := readLook(bytes.NewReader(data), nil)
		if (found == nil) == (err == nil) {
			t.Fatalf("found %v, error %v", found, err)
		}
	})
}
