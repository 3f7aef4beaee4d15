package local

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers/agent/files"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/local/sqlite"
	"github.com/stopover/stopover/providers/mention"
	"github.com/stopover/stopover/schema"
)

// surveyHost is a host around a directory, without agent and front.
func surveyHost(t testing.TB, d description.Server) *Host {
	t.Helper()
	dir, err := os.MkdirTemp("", "pocket-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d.Name, d.Architecture = "client", "2020"
	if err := description.WriteServer(dir, &d); err != nil {
		t.Fatal(err)
	}
	h, err := newHost(dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.programs.Close)
	return h
}

func (h *Host) put(t testing.TB, name, content string) string {
	t.Helper()
	p := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *Host) link(t testing.TB, target, name string) {
	t.Helper()
	if err := os.Symlink(target, filepath.Join(h.dir, "accounts/shop/home", name)); err != nil {
		t.Fatal(err)
	}
}

func (h *Host) surveyed(t testing.TB) *schema.FoundServer {
	t.Helper()
	s, err := h.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSurveyOfServer(t *testing.T) {
	h := surveyHost(t, description.Server{Names: []string{"web1.example"}, Outgoing: []string{"192.0.2.9"}, Serves: []string{"127.0.0.20"},
		HTTPPort: 8080, SMTPPort: 8025, Engines: []description.Engine{{Name: "sqlite"}}, DiskBytes: 1 << 20, DiskInodes: 50})
	h.put(t, "accounts/shop/account.json", "{}")
	h.put(t, "accounts/shop/home/data", strings.Repeat("x", 300<<10))
	s := h.surveyed(t)
	if !slices.Equal(s.Names, []string{"web1.example"}) || !slices.Equal(s.Outgoing, []string{"192.0.2.9"}) || len(s.HostKeys) != 0 {
		t.Errorf("names %v, outgoing %v, host keys %v", s.Names, s.Outgoing, s.HostKeys)
	}
	if s.HTTP != "127.0.0.20:8080" || s.SMTP != "127.0.0.20:8025" {
		t.Errorf("http %q, smtp %q", s.HTTP, s.SMTP)
	}
	if len(s.Engines) != 1 || s.Engines[0].Version != sqlite.Version() || !strings.HasPrefix(sqlite.Version(), "3.") {
		t.Errorf("engines %v", s.Engines)
	}
	if s.TotalBytes != 1<<20 || s.FreeBytes > 1<<20-300<<10 || s.FreeBytes < 1<<19 || s.TotalInodes != 50 || s.FreeInodes < 20 || s.FreeInodes > 45 {
		t.Errorf("disk: %d of %d bytes, %d of %d inodes are free", s.FreeBytes, s.TotalBytes, s.FreeInodes, s.TotalInodes)
	}
	if len(s.Residue) != 0 {
		t.Errorf("residue %v", s.Residue)
	}
	all := surveyHost(t, description.Server{}).surveyed(t)
	if all.TotalBytes <= 1<<20 || all.FreeBytes <= 0 || all.FreeBytes > all.TotalBytes || all.TotalInodes <= 0 || len(all.Engines) != 1 {
		t.Errorf("the file system's own size: %+v", all)
	}
}

// TestAccountID: an account keeps its id when it is renamed, and its copy gets
// it; an account that takes its name does not.
func TestAccountID(t *testing.T) {
	h := surveyHost(t, description.Server{})
	h.put(t, "accounts/shop/account.json", `{"quota": 5000}`)
	h.put(t, "accounts/given/account.json", `{"id": "c-17", "created": "2019-05-06T00:00:00Z"}`)
	h.put(t, "accounts/broken/account.json", `{`)
	h.adoptAll()
	s := h.surveyed(t)
	shop, given := *s.Account("shop"), s.Account("given")
	if shop.ID == "" || time.Since(shop.Created) > time.Hour || time.Since(shop.Created) < 0 || shop.Quota != 5000 {
		t.Errorf("id %q, created %v, quota %d", shop.ID, shop.Created, shop.Quota)
	}
	if given.ID != "c-17" || given.Created.Year() != 2019 {
		t.Errorf("id %q, created %v", given.ID, given.Created)
	}
	if b := s.Account("broken"); b.ID != "" || len(b.Findings) != 1 || b.Findings[0].Code != "account-description" {
		t.Errorf("%+v", b)
	}
	if err := os.Rename(filepath.Join(h.dir, "accounts/shop"), filepath.Join(h.dir, "accounts/store")); err != nil {
		t.Fatal(err)
	}
	h.put(t, "accounts/shop/account.json", "{}")
	s = h.surveyed(t)
	if a := s.Account("store"); a.ID != shop.ID || !a.Created.Equal(shop.Created) {
		t.Errorf("renamed: %q, %v", a.ID, a.Created)
	}
	if a := s.Account("shop"); a.ID == "" || a.ID == shop.ID {
		t.Errorf("a new one of the old name: %q", a.ID)
	}
	settings, err := h.Settings("store")
	if err != nil {
		t.Fatal(err)
	}
	to := surveyHost(t, description.Server{})
	if _, err := to.Place("store", true); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Settle("store", settings); err != nil {
		t.Fatal(err)
	}
	if a := to.surveyed(t).Account("store"); a.ID != shop.ID || !a.Created.Equal(shop.Created) || a.Quota != 5000 {
		t.Errorf("the copy: %q, %v, %d", a.ID, a.Created, a.Quota)
	}
	again, err := to.Settings("store")
	if err != nil || string(again) != string(settings) {
		t.Errorf("settings of the copy differ (%v):\n%s\n%s", err, again, settings)
	}
	// An origin that could not write has no id to give: its copy gets none either.
	plain := []byte("{}")
	if _, err := to.Settle("store", plain); err != nil {
		t.Fatal(err)
	}
	to.adoptAll()
	if a := to.surveyed(t).Account("store"); a.ID != "" || !a.Created.IsZero() {
		t.Errorf("a copy without an id was given one: %q, %v", a.ID, a.Created)
	}
	if again, err := to.Settings("store"); err != nil || string(again) != string(plain) {
		t.Errorf("its settings are not those of its origin: %q, %v", again, err)
	}
	strays, err := strayEntries(filepath.Join(h.dir, "accounts/store"))
	if err != nil || len(strays) != 0 {
		t.Errorf("strays %q, %v", strays, err)
	}
}

func TestSites(t *testing.T) {
	h := surveyHost(t, description.Server{})
	h.put(t, "accounts/agency/account.json", `{"domains":[{"name":"agency.example"}],"site":{"kind":"static","also":["blog.shop.example","free.example"]}}`)
	h.put(t, "accounts/shop/account.json", `{"domains":[{"name":"shop.example"}],"site":{"kind":"program","command":["runtime:php","x"]}}`)
	s := h.surveyed(t)
	want := []schema.Site{{Domain: "agency.example", Kind: "static"}, {Domain: "blog.shop.example", Kind: "static", Owner: "shop"}, {Domain: "free.example", Kind: "static"}}
	if d := cmp.Diff(want, s.Account("agency").Sites); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]schema.Site{{Domain: "shop.example", Kind: "program", Runtime: "php"}}, s.Account("shop").Sites); d != "" {
		t.Error(d)
	}
}

func TestLinks(t *testing.T) {
	h := surveyHost(t, description.Server{})
	home := filepath.Dir(h.put(t, "accounts/shop/home/in", "x"))
	h.put(t, "accounts/shop/account.json", "{}")
	h.put(t, "accounts/shop/home/deep/er/file", "x")
	out := map[string]string{
		"absolute": "/etc/passwd", "own": filepath.Join(home, "in"), "up": "../mail", "deep/er/up": "../../../x",
		"through": "deep/er/up/y", "missing-up": "nothing/../../x", "hop": "absolute",
	}
	for name, target := range out {
		h.link(t, target, name)
	}
	for name, target := range map[string]string{
		"plain": "in", "deep/er/back": "../../in", "gone": "nothing/at/all", "self": "self", "ring1": "ring2", "ring2": "ring1",
		"here": ".", "dir": "deep/er", "dir-up": "dir/../../in", "long": strings.Repeat("./", 200) + "in",
	} {
		h.link(t, target, name)
	}
	found := h.surveyed(t).Account("shop")
	got := map[string]string{}
	for _, l := range found.Links {
		got[l.Path] = l.Target
	}
	if d := cmp.Diff(out, got); d != "" {
		t.Error(d)
	}
	for i := range maxLinks {
		h.link(t, "/tmp", fmt.Sprint("many", i))
	}
	found = h.surveyed(t).Account("shop")
	if len(found.Links) != maxLinks || !slices.Equal(found.Truncated, []string{"links"}) {
		t.Errorf("%d links, truncated %v", len(found.Links), found.Truncated)
	}
}

func TestMentions(t *testing.T) {
	h := surveyHost(t, description.Server{Names: []string{"web1.example"}, Serves: []string{"127.0.0.10"}})
	h.put(t, "accounts/shop/account.json", "{}")
	h.put(t, "accounts/shop/home/www/wp-config.php", "<?php\n// db\ndefine('DB_HOST', 'Web1.example');\n")
	h.put(t, "accounts/shop/home/.env.local", "DB=127.0.0.10:3306\n")
	h.put(t, "accounts/shop/home/.htaccess", "Allow from 127.0.0.100\n")
	h.put(t, "accounts/shop/home/notes.txt", "127.0.0.10\n")
	h.put(t, "accounts/shop/home/node_modules/x/config.json", "127.0.0.10\n")
	h.put(t, "accounts/shop/home/dump.json", "127.0.0.10\n"+strings.Repeat("x", mention.MaxFile))
	if err := syscall.Mkfifo(filepath.Join(h.dir, "accounts/shop/home/pipe.conf"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(h.put(t, "outside/secret.conf", "127.0.0.10"), "..")
	h.link(t, secret, "linked")
	h.link(t, filepath.Join(secret, "secret.conf"), "secret.conf")
	want := []schema.Mention{{Path: ".env.local", Line: 1, What: "127.0.0.10"}, {Path: "www/wp-config.php", Line: 3, What: "web1.example"}}
	first := h.surveyed(t).Account("shop")
	if d := cmp.Diff(want, first.Mentions); d != "" || len(first.Truncated) != 0 {
		t.Errorf("%s, truncated %v", d, first.Truncated)
	}
	time.Sleep(2 * settle)
	h.surveyed(t) // what was too fresh to be remembered is read once more
	read := h.mentions.read
	if d := cmp.Diff(want, h.surveyed(t).Account("shop").Mentions); d != "" || h.mentions.read != read {
		t.Errorf("%s; %d files were read again", d, h.mentions.read-read)
	}
	h.put(t, "accounts/shop/home/.env.local", "DB=127.0.0.11:3306\n") // as large as before
	if d := cmp.Diff(want[1:], h.surveyed(t).Account("shop").Mentions); d != "" || h.mentions.read != read+1 {
		t.Errorf("%s; %d files were read", d, h.mentions.read-read)
	}
	for i := range 2 * maxMentions / mention.PerFile {
		h.put(t, fmt.Sprintf("accounts/shop/home/%d.ini", i), strings.Repeat("127.0.0.10\n", 100))
	}
	for range 2 {
		a := h.surveyed(t).Account("shop")
		if len(a.Mentions) != maxMentions || !slices.Equal(a.Truncated, []string{"mentions"}) {
			t.Errorf("%d mentions, truncated %v", len(a.Mentions), a.Truncated)
		}
	}
}

func certificate(t *testing.T, expires time.Time, names ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: expires, DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestCertificates(t *testing.T) {
	h := surveyHost(t, description.Server{})
	h.put(t, "accounts/shop/account.json", `{"certificates":[{"file":"site.pem","renewed":"provider"}]}`)
	const dir = "accounts/shop/home/certificates/"
	late, early := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	h.put(t, dir+"site.pem", certificate(t, late, "www.shop.example", "Shop.example")+certificate(t, early, "ca.example"))
	h.put(t, dir+"other.crt", certificate(t, late, "other.example"))
	h.put(t, dir+"key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})))
	h.put(t, dir+"broken.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})))
	h.put(t, dir+"readme.txt", "x")
	if err := syscall.Mkfifo(filepath.Join(h.dir, dir, "pipe.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := h.surveyed(t).Account("shop")
	want := []schema.Certificate{{Names: []string{"other.example"}, Expires: late},
		{Names: []string{"shop.example", "www.shop.example"}, Expires: early, Renewed: "provider"}}
	if d := cmp.Diff(want, a.Certificates); d != "" {
		t.Error(d)
	}
	var broken []string
	for _, f := range a.Findings {
		if f.Code == "certificate-unreadable" {
			broken = append(broken, f.Object)
		}
	}
	if !slices.Equal(broken, []string{"certificates/broken.pem", "certificates/pipe.pem"}) {
		t.Errorf("unreadable: %q", broken)
	}
}

func TestBackups(t *testing.T) {
	h := surveyHost(t, description.Server{})
	h.put(t, "accounts/shop/account.json", "{}")
	h.put(t, "accounts/new/account.json", "{}")
	if a := h.surveyed(t).Account("shop"); a.Backups || !a.Backup.IsZero() {
		t.Errorf("no backups: %v, %v", a.Backups, a.Backup)
	}
	old, recent := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 5, 2, 3, 4, 5, 0, time.UTC)
	for name, at := range map[string]time.Time{"monday.tar": old, "friday.tar": recent, "empty.tar": recent.Add(time.Hour), ".part": recent.Add(time.Hour)} {
		content := "x"
		if name == "empty.tar" {
			content = ""
		}
		if err := os.Chtimes(h.put(t, "backups/shop/"+name, content), at, at); err != nil {
			t.Fatal(err)
		}
	}
	s := h.surveyed(t)
	if a := s.Account("shop"); !a.Backups || !a.Backup.Equal(recent) {
		t.Errorf("backups: %v, %v", a.Backups, a.Backup)
	}
	if a := s.Account("new"); !a.Backups || !a.Backup.IsZero() {
		t.Errorf("an account without one: %v, %v", a.Backups, a.Backup)
	}
	if len(s.Residue) != 0 {
		t.Errorf("residue %v", s.Residue)
	}
	if err := wipe(h.dir, "new"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "backups/shop/friday.tar")); err != nil {
		t.Error(err)
	}
}

func many(b *testing.B) *Host {
	b.Helper()
	h := surveyHost(b, description.Server{Names: []string{"web1.example"}, Serves: []string{"127.0.0.10"}})
	h.put(b, "accounts/shop/account.json", "{}")
	for i := range 20_000 {
		name := fmt.Sprintf("accounts/shop/home/%d/%d.bin", i/100, i)
		if i%2 == 0 { // a site of a common kind: half of it is PHP
			name = fmt.Sprintf("accounts/shop/home/%d/%d.php", i/100, i)
		}
		h.put(b, name, strings.Repeat("<?php echo 'hello'; ?>\n", 100))
	}
	return h
}

// BenchmarkSurvey: what looking for settings and links adds to the listing that
// a survey always made, the first time and later.
func BenchmarkSurvey(b *testing.B) {
	h := many(b)
	home := filepath.Join(h.dir, "accounts/shop/home")
	b.Run("listing only", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := files.Scan(b.Context(), home, files.ScanOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			h.mentions = newMentionCache()
			h.surveyed(b)
		}
	})
	b.Run("again", func(b *testing.B) {
		h.surveyed(b)
		for b.Loop() {
			h.surveyed(b)
		}
	})
}
