package linux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// bench is a server behind a pipe: what passes between tool and agent is real,
// the machine is not.
type bench struct {
	t *testing.T

	mu       sync.Mutex
	found    *schema.FoundServer
	accounts []*schema.FoundAccount
	asked    agent.LookRequest
	lookErr  error
	refuse   error // of Connect
	connects atomic.Int32
	looks    atomic.Int32
	hang     chan struct{} // a look waits for it
	host     string
}

func (b *bench) Connect(_ context.Context, reveal func(string) (string, error)) (net.Conn, error) {
	b.connects.Add(1)
	if b.refuse != nil {
		return nil, b.refuse
	}
	if _, err := reveal("password"); err != nil {
		return nil, err
	}
	here, there := net.Pipe()
	go func() {
		if err := agent.ServeLooker(b.t.Context(), there, b, hclog.NewNullLogger()); err != nil {
			b.t.Errorf("the agent ended with %v", err)
		}
	}()
	return here, nil
}

func (b *bench) Dial(_ context.Context, network, address string, reveal func(string) (string, error)) (net.Conn, error) {
	if _, err := reveal("password"); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s %s: connection refused", network, address)
}

func (b *bench) Host() string { return b.host }

func (b *bench) Close() error { return nil }

func (b *bench) Look(ctx context.Context, q agent.LookRequest, account func(*schema.FoundAccount) error, progress func(providers.Progress)) (*schema.FoundServer, error) {
	b.looks.Add(1)
	if b.hang != nil {
		select {
		case <-b.hang:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = q
	for i, a := range b.accounts {
		if err := account(a); err != nil {
			return nil, err
		}
		progress(providers.Progress{Items: int64(i + 1), ItemsTotal: int64(len(b.accounts))})
	}
	found := *b.found
	return &found, b.lookErr
}

func (b *bench) Dump(_ context.Context, q agent.DumpRequest, w io.Writer) (agent.Dumped, error) {
	n, err := fmt.Fprintf(w, "%s/%s as %s by %s", q.Engine, q.Database, q.Login.User, q.Layout.Name)
	return agent.Dumped{Bytes: int64(n), Warnings: []string{"w"}, Tables: map[string]int64{"t": 7}}, err
}

func (b *bench) Load(_ context.Context, q agent.LoadRequest, r io.Reader) (schema.TriedDatabase, error) {
	said, err := io.ReadAll(r)
	if string(said) == "no" {
		return schema.TriedDatabase{}, errors.New("the disk is full")
	}
	return schema.TriedDatabase{Name: q.Database, Engine: q.Engine, Warnings: []string{string(said), q.Scratch, q.Detail.Charset, q.Login.Password}}, err
}

// TestTrial: what one server dumps another one tries, under a name that is
// nobody's.
func TestTrial(t *testing.T) {
	now := noon
	login := map[string]string{"mariadb_user": "so", "mariadb_password": "env:THERE"}
	from, on := opened(t, &bench{}, &now, login, ""), opened(t, &bench{}, &now, login, "")
	d := schema.Database{Engine: "mariadb", Name: "shop_1", Detail: &schema.ObjectDetail{Charset: "utf8mb4"}}
	var b strings.Builder
	dumped, err := from.Abilities().Dumper.Dump(t.Context(), "shop", d, &b)
	if err != nil || b.String() != "mariadb/shop_1 as so by debian" || dumped.Bytes != int64(b.Len()) || dumped.Tables["t"] != 7 || len(dumped.Warnings) != 1 {
		t.Fatalf("%q, %+v, %v", b.String(), dumped, err)
	}
	tried, err := on.Abilities().Loader.TryDump(t.Context(), "shop", d, strings.NewReader(b.String()))
	if err != nil || tried.Name != "shop_1" || tried.Warnings[0] != b.String() || tried.Warnings[1] == "shop_1" || !strings.HasPrefix(tried.Warnings[1], "stopover") ||
		tried.Warnings[2] != "utf8mb4" || tried.Warnings[3] != "hunter2" {
		t.Errorf("%+v, %v", tried, err)
	}
	if _, err := on.TryDump(t.Context(), "shop", d, strings.NewReader("no")); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Error(err)
	}
	if _, err := opened(t, &bench{refuse: errors.New("host key refused")}, &now, nil, "").Dump(t.Context(), "shop", d, io.Discard); err == nil || !strings.Contains(err.Error(), "host key") {
		t.Error(err)
	}
}

// opened opens a server at a bench, with a clock that stands still.
func opened(t *testing.T, b *bench, now *time.Time, options map[string]string, cache string) *server {
	t.Helper()
	b.t = t
	if b.found == nil {
		b.found = &schema.FoundServer{Machine: "m1", System: &schema.System{OS: "debian-12", Addresses: []schema.Address{{Address: "10.0.0.10"}}}}
	}
	conf := schema.Server{Name: "client", Provider: "linux", Address: "10.0.0.10", Options: options}
	env := providers.Env{Dir: "/conf", Cache: cache, Layouts: []schema.Layout{{Name: "debian", Homes: []string{"/home/*"}}, {Name: "ours", Homes: []string{"/srv/*"}}},
		Secret: func(_ context.Context, ref string) (string, error) {
			if ref == "env:THERE" {
				return "hunter2", nil
			}
			return "", fmt.Errorf("it is in the variable %s, which is not set", strings.TrimPrefix(ref, "env:"))
		}}
	o, err := readOptions(conf, env)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(conf, o, env, b, func() time.Time { return *now })
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var noon = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

func survey(t *testing.T, s *server, o providers.SurveyOptions) *schema.FoundServer {
	t.Helper()
	f, err := s.Survey(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSurvey(t *testing.T) {
	b := &bench{accounts: []*schema.FoundAccount{{Name: "shop", Findings: []schema.Finding{{Code: "x"}}}, {Name: "blog\xff\n"}}}
	now := noon
	s := opened(t, b, &now, map[string]string{"mariadb_user": "so", "mariadb_password": "env:THERE", "names": "a b", "read_limit": "1000", "layout": "ours"}, "")
	s.config.Serves = []string{"10.0.0.10", "192.0.2.1:80"}
	told := 0
	f := survey(t, s, providers.SurveyOptions{Progress: func(done, total int) { told = done*10 + total }})
	if f.Presence != schema.Present || f.Name != "client" || f.Provider != "linux" || f.Layout != "ours" || !f.Known || !f.At.Equal(noon) || f.Remembered {
		t.Errorf("found %+v", f)
	}
	if len(f.Accounts) != 2 || f.Accounts[0].Name != "blog\xff\n" || f.Accounts[1].Findings[0].Server != "client" || f.Accounts[1].Findings[0].Account != "shop" || told != 22 {
		t.Errorf("accounts %+v, told %d", f.Accounts, told)
	}
	if o := f.Accounts[0].Owner; o.State != schema.StateUnmanaged || !o.Serves {
		t.Errorf("owner %+v", o)
	}
	if !slices.Equal(f.Listening, []string{"10.0.0.10"}) || len(f.Addresses) != 2 {
		t.Errorf("listens on %v of %v", f.Listening, f.Addresses)
	}
	if b.asked.Layout.Name != "ours" || b.asked.Engines["mariadb"] != (agent.EngineLogin{User: "so", Password: "hunter2"}) || b.asked.Engines["mysql"].User != "so" ||
		!slices.Equal(b.asked.Names, []string{"a", "b"}) || b.asked.Reads != 1000 {
		t.Errorf("asked %+v", b.asked)
	}
	for _, c := range []schema.Capability{schema.CanOwn, schema.CanCopy, schema.CanProvision, schema.CanReinstall, schema.CanReroute, schema.CanRemoveRuntimes,
		schema.CanRetire, schema.CanRelease, schema.CanKeepFacts, schema.CanReplaceRuntimes, schema.CanMapUsers} {
		if f.Can[c] || f.Cannot[c] == "" {
			t.Errorf("%s: %v, %q", c, f.Can[c], f.Cannot[c])
		}
	}
}

// TestHostileSurvey: what an agent that only looks cannot know is never taken
// from it.
func TestHostileSurvey(t *testing.T) {
	b := &bench{found: &schema.FoundServer{Name: "other", Provider: "local", Presence: schema.Absent, Error: "gone", Machine: "m", Seal: &schema.Seal{Number: 3}, Lineage: []string{"x"},
		Claim: schema.Claim{Term: 9, Migration: "m"}, Facts: []schema.Fact{{ID: "x"}}, Removed: []schema.Runtime{{Name: "php"}},
		Can: map[schema.Capability]bool{schema.CanOwn: true, schema.CanReinstall: true}, Cannot: map[schema.Capability]string{"x": "y"}},
		accounts: []*schema.FoundAccount{{Name: "shop", Owner: schema.Ownership{State: schema.StateActive, Epoch: 7, Migration: "m", Blocker: "b"}, Copied: []schema.CopiedPart{{Part: "files"}}}}}
	now := noon
	f := survey(t, opened(t, b, &now, nil, ""), providers.SurveyOptions{})
	if f.Name != "client" || f.Provider != "linux" || f.Presence != schema.Present || f.Error != "" || f.Seal != nil || f.Lineage != nil || f.Claim != (schema.Claim{}) || f.Facts != nil ||
		f.Removed != nil || f.Can[schema.CanOwn] || f.Can[schema.CanReinstall] || f.Cannot["x"] != "" {
		t.Errorf("taken from the server: %+v", f)
	}
	if a := f.Accounts[0]; a.Owner != (schema.Ownership{State: schema.StateUnmanaged, Serves: true}) || a.Copied != nil {
		t.Errorf("account %+v", a)
	}
	b.accounts = []*schema.FoundAccount{{Name: "shop"}, {Name: "shop"}}
	if f := survey(t, opened(t, b, &now, nil, ""), providers.SurveyOptions{}); f.Presence != schema.Unreachable || !strings.Contains(f.Error, "two accounts shop") {
		t.Errorf("two of a name: %+v", f)
	}
}

// TestUnreachable: a server that cannot be looked at is in the inventory with
// its error, is never absent, and is asked anew by the next survey.
func TestUnreachable(t *testing.T) {
	b := &bench{refuse: errors.New("10.0.0.10:22: host key refused: run ssh-keygen -R")}
	now := noon
	s := opened(t, b, &now, nil, t.TempDir())
	f := survey(t, s, providers.SurveyOptions{})
	if f.Presence != schema.Unreachable || f.Error != b.refuse.Error() || !f.Known || f.Accounts == nil || f.Listening == nil || f.Addresses == nil || f.Can == nil {
		t.Errorf("found %+v", f)
	}
	b.refuse = nil
	if f := survey(t, s, providers.SurveyOptions{}); f.Presence != schema.Present {
		t.Errorf("once it can be reached: %+v", f)
	}
	b.lookErr = errors.New("the disk is on fire")
	f = survey(t, s, providers.SurveyOptions{Refresh: true})
	if f.Presence != schema.Unreachable || !strings.Contains(f.Error, "the disk is on fire") {
		t.Errorf("a look that fails: %+v", f)
	}
	b.lookErr = nil
	if f := survey(t, s, providers.SurveyOptions{Refresh: true}); f.Presence != schema.Present || b.connects.Load() != 3 {
		t.Errorf("after a look that failed: %d connections, %+v", b.connects.Load(), f)
	}
}

// TestServices: probes ask a server that has a name of the SSH client's where
// that leads.
func TestServices(t *testing.T) {
	now := noon
	for host, want := range map[string]string{"": "", "10.0.0.10": "", "192.0.2.9": "192.0.2.9:443", "2001:db8::1": "[2001:db8::1]:443"} {
		b := &bench{host: host}
		if f := survey(t, opened(t, b, &now, nil, ""), providers.SurveyOptions{}); f.Service(schema.ServiceHTTPS) != want {
			t.Errorf("%s: %q", host, f.Service(schema.ServiceHTTPS))
		}
	}
}

func TestDial(t *testing.T) {
	now := noon
	s := opened(t, &bench{}, &now, nil, "")
	if _, err := s.Abilities().Dialer.Dial(t.Context(), "tcp", "127.0.0.1:3306"); err == nil || !strings.Contains(err.Error(), "tcp 127.0.0.1:3306: connection refused") {
		t.Error(err)
	}
}

func TestSecretThatIsNotThere(t *testing.T) {
	now := noon
	for option, other := range map[string]string{"password": "", "mariadb_password": "mariadb_user"} {
		options := map[string]string{option: "env:NOWHERE"}
		if other != "" {
			options[other] = "so"
		}
		f := survey(t, opened(t, &bench{}, &now, options, ""), providers.SurveyOptions{})
		if f.Presence != schema.Unreachable || !strings.Contains(f.Error, "option "+option) || !strings.Contains(f.Error, "NOWHERE") {
			t.Errorf("%s: %+v", option, f)
		}
	}
}

// TestCancelled: a survey that nobody waits for is no word about the server.
func TestCancelled(t *testing.T) {
	b := &bench{hang: make(chan struct{})}
	now := noon
	s := opened(t, b, &now, nil, t.TempDir())
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	go func() {
		for b.looks.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel(why)
	}()
	if f, err := s.Survey(ctx, providers.SurveyOptions{}); !errors.Is(err, why) || f != nil {
		t.Errorf("cancelled: %+v, %v", f, err)
	}
	close(b.hang)
	if f := survey(t, s, providers.SurveyOptions{}); f.Presence != schema.Present {
		t.Errorf("afterwards: %+v", f)
	}
}

func TestRemembered(t *testing.T) {
	b := &bench{accounts: []*schema.FoundAccount{{Name: "a\xffb", Databases: []schema.Database{{Name: "d", Detail: &schema.ObjectDetail{}}}, Backup: noon.Add(123456789)}}}
	b.found = &schema.FoundServer{Machine: "m1", Addresses: []string{"192.0.2.7"}, System: &schema.System{Outgoing: []schema.PTR{{Address: "192.0.2.7"}}}}
	cache := filepath.Join(t.TempDir(), "cache")
	now := noon
	first := survey(t, opened(t, b, &now, nil, cache), providers.SurveyOptions{})
	now = noon.Add(14 * time.Minute)
	s := opened(t, b, &now, nil, cache)
	again := survey(t, s, providers.SurveyOptions{})
	if !again.Remembered || !again.At.Equal(noon) || b.looks.Load() != 1 || b.connects.Load() != 1 {
		t.Errorf("remembered %v at %v after %d looks", again.Remembered, again.At, b.looks.Load())
	}
	again.Remembered = false
	if !reflect.DeepEqual(first, again) {
		t.Errorf("remembered otherwise:\n%+v\n%+v", first, again)
	}
	entries, err := os.ReadDir(cache)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	if i, _ := entries[0].Info(); i.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", i.Mode())
	}
	if i, _ := os.Stat(cache); i.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory %v", i.Mode())
	}
	for why, o := range map[string]func() (*server, providers.SurveyOptions){
		"asked to": func() (*server, providers.SurveyOptions) { return s, providers.SurveyOptions{Refresh: true} },
		"too old": func() (*server, providers.SurveyOptions) {
			now = now.Add(16 * time.Minute)
			return s, providers.SurveyOptions{}
		},
		"from the future": func() (*server, providers.SurveyOptions) {
			now = noon.Add(-time.Hour)
			return s, providers.SurveyOptions{}
		},
		"another layout": func() (*server, providers.SurveyOptions) {
			return opened(t, b, &now, map[string]string{"layout": "ours"}, cache), providers.SurveyOptions{}
		},
		"another user": func() (*server, providers.SurveyOptions) {
			return opened(t, b, &now, map[string]string{"user": "ann"}, cache), providers.SurveyOptions{}
		},
		"nothing remembered": func() (*server, providers.SurveyOptions) {
			return opened(t, b, &now, map[string]string{"survey_age": "0s"}, cache), providers.SurveyOptions{}
		},
		"no cache": func() (*server, providers.SurveyOptions) {
			return opened(t, b, &now, nil, ""), providers.SurveyOptions{}
		},
	} {
		before := b.looks.Load()
		server, opts := o()
		if f := survey(t, server, opts); f.Remembered || b.looks.Load() != before+1 {
			t.Errorf("%s: remembered", why)
		}
	}
}

// TestBadCache: whatever lies in the cache, the server is looked at.
func TestBadCache(t *testing.T) {
	cache := t.TempDir()
	now := noon
	b := &bench{}
	s := opened(t, b, &now, nil, cache)
	survey(t, s, providers.SurveyOptions{})
	path := s.cacheFile()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, content := range map[string][]byte{"empty": {}, "noise": []byte("noise"), "cut off": whole[:len(whole)/2], "damaged": append(slices.Clone(whole[:len(whole)-9]), make([]byte, 9)...)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		before := b.looks.Load()
		if f := survey(t, s, providers.SurveyOptions{}); f.Presence != schema.Present || b.looks.Load() != before+1 {
			t.Errorf("%s: %+v after %d looks", what, f, b.looks.Load()-before)
		}
	}
	// One that cannot be written hurts nobody.
	s.env.Cache = filepath.Join(path, "below-a-file")
	if f := survey(t, s, providers.SurveyOptions{}); f.Presence != schema.Present {
		t.Errorf("where nothing can be remembered: %+v", f)
	}
	// What nobody asked for in a long time goes.
	s.env.Cache = cache
	old, mine := filepath.Join(cache, "linux-0123.survey"), filepath.Join(cache, "notes.txt")
	for _, p := range []string{old, mine} {
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p, noon.AddDate(0, -2, 0), noon.AddDate(0, -2, 0)); err != nil {
			t.Fatal(err)
		}
	}
	survey(t, s, providers.SurveyOptions{Refresh: true})
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an old survey is there: %v", err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	env := providers.Env{Dir: "/conf%h", Layouts: []schema.Layout{{Name: "debian"}}}
	read := func(o map[string]string) (settings, error) {
		return readOptions(schema.Server{Name: "client", Options: o}, env)
	}
	s, err := read(nil)
	if err != nil || s.user != "" || !s.sudo || !s.useAgent || s.age != 15*time.Minute || s.agentDir != "/var/lib/stopover/agent" || s.port != 0 {
		t.Errorf("defaults: %+v, %v", s, err)
	}
	s, err = read(map[string]string{"user": "ann", "identity_file": "keys/id", "known_hosts": "~/x", "ssh_config": "none", "certificate_file": "/c", "port": "2222", "use_agent": "false", "sudo": "false"})
	if err != nil || s.sudo || s.identity != "/conf%%h/keys/id" || s.knownHosts != "~/x" || s.sshConfig != "none" || s.certificate != "/c" || s.port != 2222 || s.useAgent {
		t.Errorf("given: %+v, %v", s, err)
	}
	for option, value := range map[string]string{"port": "65536", "agent_dir": "relative", "survey_age": "-1s", "use_agent": "perhaps", "layout": "nobody", "user": "a\nb",
		"read_limit": "1.5", "mariadb_password": "env:X"} {
		if _, err := read(map[string]string{option: value}); err == nil || !strings.Contains(err.Error(), option) {
			t.Errorf("%s = %q: %v", option, value, err)
		}
	}
	if _, err := read(map[string]string{"agent_dir": "/"}); err == nil {
		t.Error("the root directory as the agent's own")
	}
}

// TestKind holds the table of options to what the language asks of it.
func TestKind(t *testing.T) {
	k := Kind()
	seen := map[string]bool{}
	for _, o := range k.Options {
		if seen[o.Name] || o.Doc == "" || !strings.HasSuffix(o.Doc, ".") || !o.Secret && o.Example == "" {
			t.Errorf("option %+v", o)
		}
		seen[o.Name] = true
	}
	for c := range cannot() {
		if slices.Contains(k.Can, c) {
			t.Errorf("it both can and cannot %s", c)
		}
	}
	for _, c := range k.Can {
		if cannot()[c] != "" {
			t.Errorf("%s: %s", c, cannot()[c])
		}
	}
	if _, err := k.Open(t.Context(), schema.Server{Name: "client"}, providers.Env{}); err == nil || !strings.Contains(err.Error(), "address") {
		t.Errorf("without an address: %v", err)
	}
}
