package starter_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stopover/stopover/cmd/internal/starter"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/all"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
	"github.com/stopover/stopover/schema/process"
)

func kinds() []hclfile.Kind {
	var out []hclfile.Kind
	for _, k := range append(all.Kinds(), far()) {
		x := hclfile.Kind{Name: k.Name, Doc: k.Doc}
		for _, o := range k.Options {
			x.Options = append(x.Options, hclfile.Option{Name: o.Name, Type: o.Type, Doc: o.Doc, Default: o.Default, Required: o.Required})
		}
		out = append(out, x)
	}
	return out
}

// far is a provider of servers that are somewhere else.
func far() providers.Kind {
	return providers.Kind{Name: "far", Options: []providers.Option{{Name: "user", Type: "string"}, {Name: "port", Type: "number"}}}
}

func rules(t interface{ Fatal(...any) }, name string) *schema.Process {
	source, _ := process.Builtin(name)
	p, diags := hclfile.ParseProcess(name, source)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

// parsed writes a configuration, and reads it: it must be valid, say so without
// warnings, and be written the usual way.
func parsed(t interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}, r starter.Request) (*schema.Config, string) {
	t.Helper()
	src, err := starter.Write(r)
	if err != nil {
		t.Fatal(err)
	}
	cfg, diags := hclfile.ParseFiles(map[string][]byte{starter.FileName: src}, hclfile.Options{Kinds: kinds(), Version: "0.1.0"})
	if len(diags) > 0 {
		t.Fatalf("%v\n%s", diags, src)
	}
	again, _ := hclfile.Format(starter.FileName, src)
	if !bytes.Equal(src, again) {
		t.Fatalf("not written the usual way: %s", cmp.Diff(string(again), string(src)))
	}
	for l := range bytes.SplitSeq(src, []byte("\n")) {
		if bytes.HasPrefix(bytes.TrimSpace(l), []byte("#")) && len([]rune(string(l))) > 100 || bytes.ContainsAny(l, "\x1b\r") {
			t.Fatalf("line %q", l)
		}
	}
	return cfg, string(src)
}

func request(t interface{ Fatal(...any) }) starter.Request {
	return starter.Request{Kind: all.Kinds()[0], Address: "client", Process: rules(t, "self-managed"), Timezone: "Europe/Paris", Version: "0.1.0", Accounts: starter.Auto}
}

func TestEmptyStarter(t *testing.T) {
	for _, name := range process.Names() {
		r := request(t)
		r.Process = rules(t, name)
		cfg, _ := parsed(t, r)
		if cfg.Migration.Process != name || len(cfg.Windows) != 1 || cfg.Windows[0].Timezone != "Europe/Paris" {
			t.Errorf("%s: %+v %+v", name, cfg.Migration, cfg.Windows)
		}
	}
	r := request(t)
	r.Kind, r.Options = far(), map[string]string{"user": "ro${ot}", "port": "22"}
	cfg, _ := parsed(t, r)
	if s := cfg.Server("client"); s.Provider != "far" || s.Options["user"] != "ro${ot}" || s.Options["port"] != "22" {
		t.Errorf("%+v", s)
	}
}

// What a comment offers works once its "#" is taken away.
func TestExamplesInComments(t *testing.T) {
	_, src := parsed(t, request(t))
	var lines []string
	inside := false
	for l := range strings.Lines(src) {
		trimmed := strings.TrimSpace(l)
		bare := strings.TrimPrefix(trimmed, "# ")
		switch {
		case strings.HasPrefix(trimmed, "# ") && (strings.HasPrefix(bare, "finish_by") || strings.HasPrefix(bare, "windows") || strings.HasPrefix(bare, "price") ||
			strings.HasPrefix(bare, "exclude") || strings.HasPrefix(bare, "removed") || strings.HasPrefix(bare, "runtime ")):
			lines = append(lines, bare+"\n")
		case strings.HasPrefix(bare, `account "shop"`) || inside && strings.HasPrefix(trimmed, "#"):
			inside = strings.TrimPrefix(strings.TrimPrefix(l, "  "), "# ") != "}\n"
			lines = append(lines, strings.Replace(l, "#", " ", 1))
		default:
			lines = append(lines, l)
		}
	}
	text := strings.Join(lines, "")
	cfg, diags := hclfile.ParseFiles(map[string][]byte{starter.FileName: []byte(text)}, hclfile.Options{Kinds: kinds()})
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, text)
	}
	m := cfg.Migration
	if m.FinishBy == "" || len(m.Windows) != 1 || len(m.Accounts) != 1 || len(m.Accounts[0].Probes) != 1 || cfg.Server("client").Price == "" || len(m.Patterns[0].Exclude) != 1 {
		t.Errorf("some example was not tried: %+v\n%s", m, text)
	}
}

func server(names ...string) *schema.FoundServer {
	s := &schema.FoundServer{Name: "client", Presence: schema.Present, Architecture: "2019", Addresses: []string{"127.0.9.1"},
		Runtimes: []schema.Runtime{{Name: "php", Version: "7.4"}, {Name: "nodejs", Version: "18"}, {Name: "php", Version: "8.1"}},
		Engines:  []schema.EngineOffer{{Name: "sqlite", Version: "3"}}, Residue: []schema.Residue{{Path: "/etc/cron.d/${legacy}"}, {Path: "\xff"}}}
	for i, n := range names {
		s.Accounts = append(s.Accounts, &schema.FoundAccount{Name: n, Files: schema.Files{Bytes: 3 << 20, Entries: 12}, Domains: []schema.Domain{{Name: fmt.Sprintf("site%d.example", i)}},
			Databases: []schema.Database{{Engine: "sqlite", Name: "orders\n\x1b", Bytes: 4096}}})
	}
	return s
}

func TestSurveyed(t *testing.T) {
	r := request(t)
	r.Options = map[string]string{"http_port": "8081", "idle": "10m"}
	r.Found = server("blog", "shop")
	r.Found.Accounts = append(r.Found.Accounts, &schema.FoundAccount{Name: "away", Owner: schema.Ownership{State: schema.StateMoved}})
	r.Found.Accounts[1].Sites = []schema.Site{{Domain: "WWW.Shop.example."}, {Domain: "*.shop.example"}, {Domain: "a b"}, {Domain: "_x.shop.example"}, {Domain: "b.example"}, {Domain: "c.example"}}
	cfg, src := parsed(t, r)
	var names []string
	for _, a := range cfg.Migration.Accounts {
		names = append(names, a.Name)
	}
	if d := cmp.Diff([]string{"blog", "shop"}, names); d != "" {
		t.Error(d)
	}
	var urls []string
	for _, p := range cfg.Migration.Accounts[1].Probes {
		urls = append(urls, p.HTTP)
	}
	if d := cmp.Diff([]string{"http://www.shop.example/", "http://_x.shop.example/", "http://b.example/"}, urls); d != "" {
		t.Error(d)
	}
	want := []schema.RuntimeOffer{{Name: "php", Versions: []string{"7.4", "8.1"}}, {Name: "nodejs", Versions: []string{"18"}}}
	if d := cmp.Diff(want, cfg.Architectures[0].Runtimes); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"127.0.9.2"}, cfg.Server("transit").Serves); d != "" {
		t.Error(d)
	}
	if cfg.Server("transit").Options["http_port"] != "8081" {
		t.Errorf("%+v", cfg.Server("transit"))
	}
	for _, say := range []string{"3.0 MiB in 12 files", "Without a probe: c.example", "1 account on the server that do", `residue "/etc/cron.d/`} {
		if !strings.Contains(strings.ReplaceAll(src, "\n  # ", " "), say) {
			t.Errorf("does not say %q:\n%s", say, src)
		}
	}
}

// Many accounts are one pattern, unless somebody wants it otherwise.
func TestListings(t *testing.T) {
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("cust-%02d", i))
	}
	for listing, accounts := range map[starter.Listing]int{starter.Auto: 0, starter.Pattern: 0, starter.Each: 60} {
		r := request(t)
		r.Found, r.Accounts = server(many...), listing
		cfg, _ := parsed(t, r)
		if len(cfg.Migration.Accounts) != accounts || len(cfg.Migration.Patterns) != 1-accounts/60 {
			t.Errorf("%s: %d accounts, %d patterns", listing, len(cfg.Migration.Accounts), len(cfg.Migration.Patterns))
		}
	}
}

// Whatever accounts are called, the configuration names exactly them.
func TestHostileNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.RuneFrom([]rune(`a"\${%}*?[]-. éé/#`+"\n\r\t\x00\x1b\u202e\ufeff")), 1, 12, -1),
			rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 1, 12).Draw(t, "bytes")) }))
		names := rapid.SliceOfNDistinct(one, 1, 4, rapid.ID).Draw(t, "names")
		names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
		r := request(t)
		r.Found, r.Accounts = server(names...), starter.Each
		cfg, src := parsed(t, r)
		for _, n := range names {
			if _, err := schema.EscapeName(n); err != nil {
				continue
			}
			named := slices.ContainsFunc(cfg.Migration.Accounts, func(a schema.Account) bool { return a.Name == n })
			matched := slices.ContainsFunc(cfg.Migration.Patterns, func(p schema.AccountsPattern) bool {
				return slices.ContainsFunc(p.Include, func(s string) bool { g, err := schema.ParseGlob(s); return err == nil && g.Match(n) })
			})
			if named == matched {
				t.Fatalf("%q is named: %v, matched: %v\n%s", n, named, matched, src)
			}
		}
		for _, a := range cfg.Migration.Accounts {
			if !slices.Contains(names, a.Name) {
				t.Fatalf("%q is no account\n%s", a.Name, src)
			}
		}
	})
}
