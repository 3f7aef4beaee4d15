//go:build linux

package look

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/testbed"
	"github.com/stopover/stopover/providers/linux/testbed/accounts"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
)

// lookVariable makes the test program look at the machine it runs on, as the
// agent does, and print what it found.
const lookVariable = "STOPOVER_TEST_LOOK"

func TestMain(m *testing.M) {
	if os.Getenv(lookVariable) != "" {
		if err := lookAndPrint(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	testbed.Main()
	os.Exit(m.Run())
}

func lookAndPrint() error {
	var all []*schema.FoundAccount
	found, err := (&Machine{}).Look(context.Background(), agent.LookRequest{Layout: bedLayout()},
		func(a *schema.FoundAccount) error { all = append(all, a); return nil }, nil)
	if err != nil {
		return err
	}
	found.Accounts = all
	return json.NewEncoder(os.Stdout).Encode(found)
}

// bedLayout is the layout of the sample accounts.
func bedLayout() schema.Layout {
	l, ok := hclfile.Layout("debian-vmail")
	if !ok {
		panic("no layout debian-vmail")
	}
	return l
}

// lookAt runs this program on a host and reads what it found.
func lookAt(t *testing.T, h *testbed.Host) *schema.FoundServer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	const at = "/var/lib/stopover-test/look"
	if err := os.MkdirAll(filepath.Join(h.Root(), filepath.Dir(at)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.Root(), at), data, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := h.Run(t.Context(), "env", lookVariable+"=1", at)
	if err != nil {
		t.Fatal(err)
	}
	var found schema.FoundServer
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		t.Fatal(err)
	}
	return &found
}

// TestLookAtHost: the survey of a real host says what was put there.
func TestLookAtHost(t *testing.T) {
	bed := testbed.New(t, testbed.Options{Hosts: []testbed.HostOptions{{Name: "client", Release: "bookworm", Services: testbed.AllServices()}}})
	h := bed.Host("client")
	truth, err := accounts.Install(t.Context(), h, accounts.Options{Address: h.Address().String(), Name: h.Name, Messages: 50})
	if err != nil {
		t.Fatal(err)
	}
	f := lookAt(t, h)
	if p := os.Getenv("STOPOVER_TEST_KEEP"); p != "" {
		b, _ := json.MarshalIndent(f, "", " ")
		_ = os.WriteFile(p, b, 0o600)
	}
	var names []string
	for _, a := range f.Accounts {
		names = append(names, a.Name)
		checkAccount(t, a, truth.Accounts[a.Name])
	}
	if len(names) != len(truth.Accounts) {
		t.Errorf("accounts: %v", names)
	}
	checkHost(t, f, truth)
}

func checkAccount(t *testing.T, a *schema.FoundAccount, want *accounts.Account) {
	t.Helper()
	if want == nil {
		t.Errorf("%s was not put there", a.Name)
		return
	}
	var domains, tasks, services []string
	for _, d := range a.Domains {
		domains = append(domains, d.Name)
	}
	for _, x := range a.Tasks {
		tasks = append(tasks, x.Schedule)
	}
	for _, x := range a.Services {
		services = append(services, x.Name)
		if !x.Enabled || !x.Running {
			t.Errorf("%s: %+v is neither enabled nor running", a.Name, x)
		}
	}
	same := func(what string, got, want []string) {
		slices.Sort(got)
		want = slices.Sorted(slices.Values(want))
		if !slices.Equal(got, want) {
			t.Errorf("%s: %s %q, want %q", a.Name, what, got, want)
		}
	}
	same("domains", domains, want.Domains)
	same("tasks", tasks, want.Tasks)
	same("services", services, want.Services)
}

func checkHost(t *testing.T, f *schema.FoundServer, truth *accounts.Truth) {
	t.Helper()
	s := f.System
	if s.OS != "debian-12" || s.Libc != "glibc 2.36" || s.Hostname != "client" || s.Arch != "amd64" && s.Arch != "arm64" {
		t.Errorf("system: %s %s %s %s", s.OS, s.Libc, s.Hostname, s.Arch)
	}
	var residue, kinds, orphans []string
	for _, r := range f.Residue {
		if r.Kind == "database" {
			orphans = append(orphans, r.Path)
		} else if r.Kind != "database-user" {
			residue = append(residue, r.Path)
		}
	}
	for _, u := range s.Unknown {
		kinds = append(kinds, u.Kind)
	}
	if !slices.Equal(residue, slices.Sorted(slices.Values(truth.Residue))) {
		t.Errorf("residue %q, want %q", residue, truth.Residue)
	}
	if len(s.Engines) > 0 && !slices.Equal(orphans, truth.Orphans) {
		t.Errorf("databases of nobody %q, want %q", orphans, truth.Orphans)
	}
	for _, k := range truth.Unknown {
		if !slices.Contains(kinds, k) {
			t.Errorf("unknown %q lacks %s", kinds, k)
		}
	}
	for _, want := range []schema.Port{{Protocol: "tcp", Address: "127.0.0.1", Port: 8301, Program: "python3", UID: 2004}, {Protocol: "tcp", Address: "0.0.0.0", Port: 80, Program: "nginx"}} {
		if !slices.Contains(s.Ports, want) {
			t.Errorf("%+v is not among the ports %+v", want, s.Ports)
		}
	}
	if !slices.ContainsFunc(s.PHP, func(p schema.PHP) bool {
		return p.Version == "8.2" && p.API == "20220829" && slices.Contains(p.Extensions, "pdo_mysql") && slices.Contains(p.Extensions, "json")
	}) {
		t.Errorf("PHP: %+v", s.PHP)
	}
	for _, r := range []schema.Runtime{{Name: "php", Version: "8.2"}, {Name: "python", Version: "3.11"}, {Name: "perl", Version: "5.36"}} {
		if !slices.Contains(f.Runtimes, r) {
			t.Errorf("runtimes %v lack %v", f.Runtimes, r)
		}
	}
	if !slices.Contains(s.Libraries, "libicuuc.so.72") || !slices.Contains(s.Libraries, "libc.so.6") {
		t.Errorf("%d libraries", len(s.Libraries))
	}
	for _, x := range s.Settings {
		if strings.Contains(x.Value, "letters") {
			t.Errorf("a secret: %+v", x)
		}
	}
}
