//go:build linux

package real

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux"
	"github.com/stopover/stopover/providers/linux/testbed"
	"github.com/stopover/stopover/providers/linux/testbed/accounts"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
)

func TestMain(m *testing.M) {
	testbed.Main()
	code := m.Run()
	if err := hosts.end(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// shared is one bed for the tests that only look, and may do so at once.
type shared struct {
	once   sync.Once
	err    error
	bed    *testbed.Bed
	dir    string // of the agents
	truth  *accounts.Truth
	client *testbed.Host
}

var hosts shared

func (s *shared) end() error {
	if s.dir != "" {
		defer os.RemoveAll(s.dir)
	}
	if s.bed == nil {
		return nil
	}
	return s.bed.Close()
}

// world is the bed with sample accounts on client (bookworm), and transit
// (trixie) without any.
func world(t *testing.T) *shared {
	t.Helper()
	testbed.Need(t)
	hosts.once.Do(func() {
		ctx := context.WithoutCancel(t.Context())
		if hosts.dir, hosts.err = os.MkdirTemp("", "agents"); hosts.err != nil {
			return
		}
		if hosts.err = buildAgent(ctx, hosts.dir); hosts.err != nil {
			return
		}
		hosts.bed, hosts.err = testbed.Start(ctx, testbed.Options{Hosts: []testbed.HostOptions{
			{Name: "client", Release: "bookworm", Services: testbed.AllServices()},
			{Name: "transit", Release: "trixie", Services: testbed.AllServices()},
		}})
		if hosts.err != nil {
			return
		}
		hosts.client = hosts.bed.Host("client")
		hosts.truth, hosts.err = accounts.Install(ctx, hosts.client, accounts.Options{Address: hosts.client.Address().String(), Name: "client"})
	})
	if hosts.err != nil {
		t.Fatal(hosts.err)
	}
	t.Setenv("STOPOVER_AGENT_DIR", hosts.dir)
	return &hosts
}

func buildAgent(ctx context.Context, dir string) error {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(dir, "stopover-agent-linux-amd64"), "github.com/stopover/stopover/cmd/stopover-agent")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build the agent: %w\n%s", err, out)
	}
	return nil
}

// env is what providers are opened with; secrets are looked up in it.
func env(t testing.TB, secrets map[string]string) providers.Env {
	t.Helper()
	for ref, v := range secrets {
		t.Setenv(strings.TrimPrefix(ref, "env:"), v)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return providers.Env{Dir: t.TempDir(), Executable: exe, Layouts: hclfile.Layouts(), Secret: func(_ context.Context, ref string) (string, error) {
		v, ok := secrets[ref]
		if !ok {
			return "", fmt.Errorf("%s is not set", ref)
		}
		return v, nil
	}}
}

// open opens a host of a bed with options in place of the usual ones.
func open(t testing.TB, b *testbed.Bed, h *testbed.Host, options map[string]string, secrets map[string]string) providers.Server {
	t.Helper()
	o := map[string]string{"user": "root", "identity_file": b.KeyFile(), "known_hosts": b.KnownHosts(), "ssh_config": "none", "use_agent": "false", "survey_age": "0s", "layout": "debian-vmail"}
	for k, v := range options {
		if v == "" {
			delete(o, k)
			continue
		}
		o[k] = v
	}
	s, err := linux.Kind().Open(t.Context(), schema.Server{Name: h.Name, Provider: "linux", Address: h.Address().String(), Options: o}, env(t, secrets))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // hosts may be dead by then
	return s
}

// survey looks at a host.
func survey(t *testing.T, s providers.Server) *schema.FoundServer {
	t.Helper()
	found, err := s.Survey(t.Context(), providers.SurveyOptions{Refresh: true})
	if err != nil {
		t.Fatal(err)
	}
	if found.Presence != schema.Present {
		t.Fatalf("the server is %s: %s", found.Presence, found.Error)
	}
	return found
}

// TestTruth holds a survey of a real host against what was put there, to the
// byte and to the row.
func TestTruth(t *testing.T) {
	w := world(t)
	found := survey(t, open(t, w.bed, w.client, map[string]string{"names": "client.example.net"}, nil))
	for _, f := range found.Findings {
		t.Errorf("finding about the server: %s %s: %s", f.Code, f.Object, f.Summary)
	}
	var names []string
	for _, a := range found.Accounts {
		names = append(names, a.Name)
	}
	if want := []string{"blog", "ledger", "mailco", "pyapp", "shop", "static"}; !slices.Equal(names, want) {
		t.Fatalf("accounts %q, want %q", names, want)
	}
	for _, a := range found.Accounts {
		truth := w.truth.Accounts[a.Name]
		t.Run(a.Name, func(t *testing.T) {
			for _, f := range a.Findings {
				if f.Severity != schema.Info {
					t.Errorf("finding: %s %s: %s", f.Code, f.Object, f.Summary)
				}
			}
			holdFiles(t, a, truth)
			holdMail(t, a, truth)
			holdDatabases(t, a, truth)
			holdRest(t, a, truth)
		})
	}
	holdServer(t, found, w.truth)
}

func holdFiles(t *testing.T, a *schema.FoundAccount, truth *accounts.Account) {
	t.Helper()
	if a.UID != truth.UID || a.User == nil || a.User.Shell != truth.Shell || a.User.Password != "set" || a.User.Scheme != "sha512" {
		t.Errorf("uid %d, user %+v", a.UID, a.User)
	}
	if a.User != nil && len(a.User.Keys) != truth.Keys {
		t.Errorf("%d keys, want %d", len(a.User.Keys), truth.Keys)
	}
	if a.Files.Bytes != truth.Bytes || a.Files.Entries != truth.Entries {
		t.Errorf("files %+v, want %d bytes in %d entries", a.Files, truth.Bytes, truth.Entries)
	}
	var mentions []string
	for _, m := range a.Mentions {
		mentions = append(mentions, m.Path+":"+strconv.Itoa(m.Line))
	}
	if !slices.Equal(mentions, truth.Mentions) {
		t.Errorf("mentions %q, want %q", mentions, truth.Mentions)
	}
}

func holdMail(t *testing.T, a *schema.FoundAccount, truth *accounts.Account) {
	t.Helper()
	if len(a.Mail.Boxes) != len(truth.Mailboxes) {
		t.Errorf("%d mailboxes, want %d: %+v", len(a.Mail.Boxes), len(truth.Mailboxes), a.Mail.Boxes)
	}
	var messages, bytes int64
	for _, b := range a.Mail.Boxes {
		want := truth.Mailboxes[b.Address]
		if want == nil {
			t.Errorf("mailbox %q was never made", b.Address)
			continue
		}
		messages, bytes = messages+want.Messages, bytes+want.Whole
		if b.Path != want.Path || b.Messages != want.Messages || b.Bytes != want.Whole || len(b.Folders) != 2 || b.Folders[0].UIDValidity != want.UIDValidity ||
			b.Folders[0].Bytes+b.Folders[1].Bytes != want.Bytes {
			t.Errorf("mailbox %+v, want %+v", b, *want)
		}
		if user := strings.HasPrefix(b.Address, "ann@") || b.Address == "blog"; user && (len(b.Sieve) != 1 || !slices.Equal(b.Sieve[0].Requires, []string{"fileinto", "vacation"})) {
			t.Errorf("mailbox %s has filters %+v", b.Address, b.Sieve)
		}
	}
	if a.Mail.Messages != messages || a.Mail.Bytes != bytes {
		t.Errorf("mail of %d messages and %d bytes, want %d and %d", a.Mail.Messages, a.Mail.Bytes, messages, bytes)
	}
}

func holdDatabases(t *testing.T, a *schema.FoundAccount, truth *accounts.Account) {
	t.Helper()
	if len(a.Databases) != len(truth.Databases) {
		t.Errorf("%d databases, want %d", len(a.Databases), len(truth.Databases))
	}
	for _, d := range a.Databases {
		want := truth.Databases[d.Engine+"/"+d.Name]
		if want == nil || d.Detail == nil {
			t.Errorf("database %s/%s was not made, or has no inside", d.Engine, d.Name)
			continue
		}
		rows := map[string]int64{}
		for _, table := range d.Detail.Tables {
			rows[table.Name] = table.Rows
			if table.Estimated {
				t.Errorf("rows of %s are estimated", table.Name)
			}
		}
		for table, n := range want.Tables {
			if rows[table] != n {
				t.Errorf("%s.%s has %d rows, want %d", d.Name, table, rows[table], n)
			}
		}
		if len(rows) != len(want.Tables) {
			t.Errorf("%s has tables %v, want %v", d.Name, rows, want.Tables)
		}
		if d.Bytes == 0 {
			t.Errorf("%s has no size", d.Name)
		}
	}
}

func holdRest(t *testing.T, a *schema.FoundAccount, truth *accounts.Account) {
	t.Helper()
	var domains, tasks, services, missing []string
	for _, d := range a.Domains {
		domains = append(domains, d.Name)
	}
	for _, x := range a.Timers {
		tasks = append(tasks, x.Schedule)
	}
	for _, x := range a.Services {
		services = append(services, x.Name)
	}
	for _, b := range a.Binaries {
		if b.Path == "bin/importer" {
			missing = b.Needs
		}
	}
	slices.Sort(domains)
	want := slices.Sorted(slices.Values(truth.Domains))
	if !slices.Equal(domains, want) {
		t.Errorf("domains %q, want %q", domains, want)
	}
	if !slices.Equal(slices.Sorted(slices.Values(tasks)), slices.Sorted(slices.Values(truth.Tasks))) {
		t.Errorf("tasks %q, want %q", tasks, truth.Tasks)
	}
	if !slices.Equal(services, truth.Services) {
		t.Errorf("services %q, want %q", services, truth.Services)
	}
	for _, l := range truth.Lacking {
		if !slices.Contains(missing, l) {
			t.Errorf("the native program needs %q, not %s", missing, l)
		}
	}
}

func holdServer(t *testing.T, found *schema.FoundServer, truth *accounts.Truth) {
	t.Helper()
	if found.System.OS != "debian-12" || found.Machine == "" || found.FreeBytes == 0 || len(found.System.Libraries) < 50 || len(found.System.Packages) < 100 {
		t.Errorf("system %s, machine %q, %d bytes free, %d libraries, %d packages", found.System.OS, found.Machine, found.FreeBytes, len(found.System.Libraries), len(found.System.Packages))
	}
	var residue, orphans, unknown []string
	for _, r := range found.Residue {
		residue = append(residue, r.Path)
	}
	for _, want := range truth.Residue {
		if !slices.Contains(residue, want) {
			t.Errorf("residue %q lacks %s", residue, want)
		}
	}
	for _, e := range found.System.Engines {
		for _, d := range e.Databases {
			orphans = append(orphans, e.Name+"/"+d.Name)
		}
	}
	if !slices.Equal(orphans, truth.Orphans) {
		t.Errorf("databases of nobody %q, want %q", orphans, truth.Orphans)
	}
	for _, u := range found.System.Unknown {
		unknown = append(unknown, u.Kind)
	}
	for _, want := range truth.Unknown {
		if !slices.Contains(unknown, want) {
			t.Errorf("what is not understood: %q, without %s", unknown, want)
		}
	}
}

// alone waits until nothing of Stopover runs on the client any more, which has
// to be soon.
func (s *shared) alone(t *testing.T) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		ps, err := s.client.Processes()
		if err != nil {
			t.Fatal(err)
		}
		left := slices.DeleteFunc(ps, func(p testbed.Process) bool {
			line := strings.Join(p.Argv, " ")
			return !strings.Contains(line, "stopover-agent") && !strings.Contains(line, "@notty")
		})
		if len(left) == 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("still there: %+v", left)
		}
	}
}

// TestSurveyChangesNothing: files, users, databases, processes and ports are the
// same before and after, but for the agent's own file.
func TestSurveyChangesNothing(t *testing.T) {
	w := world(t)
	s := open(t, w.bed, w.client, nil, nil)
	_ = survey(t, s) // puts the agent there
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w.alone(t)
	before, err := w.client.Snapshot(t.Context(), "/var/lib/stopover", "/run/motd.dynamic") // PAM writes the latter at every login
	if err != nil {
		t.Fatal(err)
	}
	_ = survey(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w.alone(t)
	after, err := w.client.Snapshot(t.Context(), "/var/lib/stopover", "/run/motd.dynamic") // PAM writes the latter at every login
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range before.Diff(after) {
		t.Error(d)
	}
}

// dump is everything that a survey says.
func dump(t *testing.T, found *schema.FoundServer) string {
	t.Helper()
	data, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
