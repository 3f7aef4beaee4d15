//go:build linux

package look

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/schema"
)

func schemaPort(protocol, address string, port, uid int) schema.Port {
	return schema.Port{Protocol: protocol, Address: address, Port: port, UID: uid}
}

func TestParseCrontab(t *testing.T) {
	text := "# c\nMAILTO = \"ann@example.org\"\n\n*/5 * * * *  php /x\n  @daily\tbackup  now\n-0 1 * * mon quiet\n1 2 3 bad\n@never x\nPATH=/a:/b\n0 0 1 1 0\n"
	got := parseCrontab("/c", []byte(text), "shop", false)
	want := []cronLine{
		{file: "/c", line: 2, user: "shop", name: "MAILTO", command: "ann@example.org"},
		{file: "/c", line: 4, schedule: "*/5 * * * *", user: "shop", command: "php /x"},
		{file: "/c", line: 5, schedule: "@daily", user: "shop", command: "backup  now"},
		{file: "/c", line: 6, schedule: "0 1 * * mon", user: "shop", command: "quiet"},
		{file: "/c", line: 9, user: "shop", name: "PATH", command: "/a:/b"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(cronLine{})); d != "" {
		t.Error(d)
	}
	got = parseCrontab("/d", []byte("*/10 * * * * root A=b /x\n@reboot shop y\n* * * * * alone\n"), "", true)
	want = []cronLine{
		{file: "/d", line: 1, schedule: "*/10 * * * *", user: "root", command: "A=b /x", shared: true},
		{file: "/d", line: 2, schedule: "@reboot", user: "shop", command: "y", shared: true},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(cronLine{})); d != "" {
		t.Error(d)
	}
}

func TestWhatRuns(t *testing.T) {
	r := made(t, map[string]string{
		"var/lib/dpkg/status":                                              "",
		"var/spool/cron/crontabs/shop":                                     "MAILTO=a@b\nDB_PASSWORD=hush\n*/5 * * * * php8.1 /home/shop/cron.php --password=hush\n",
		"var/spool/cron/crontabs/tmp.x1":                                   "* * * * * no\n",
		"var/spool/cron/crontabs/root":                                     "0 1 * * * /home/blog/bin/nightly\n0 2 * * * /root/own\n",
		"etc/cron.d/shop":                                                  "10 * * * * shop node /home/shop/a.js\n",
		"etc/cron.d/shop.dpkg-old":                                         "11 * * * * shop never\n",
		"etc/crontab":                                                      "17 * * * * root run-parts\n",
		"etc/systemd/system/app.service":                                   "[Service]\nUser=shop\nExecStart=/usr/bin/python3 /home/shop/app.py\n[Install]\nWantedBy=multi-user.target\n",
		"etc/systemd/system/app.service.d/o.conf":                          "[Service]\nExecStart=\nExecStart=-/usr/bin/python3 \\\n  /home/shop/new.py\nType=notify\n",
		"etc/systemd/system/multi-user.target.wants/app.service":           "-> /etc/systemd/system/app.service",
		"etc/systemd/system/multi-user.target.wants/nginx.service":         "-> /lib/systemd/system/nginx.service",
		"lib/systemd/system/nginx.service":                                 "[Service]\nExecStart=/usr/sbin/nginx\n",
		"etc/systemd/system/worker@.service":                               "[Service]\nUser=%i\nExecStart=/home/%i/worker --as %i\n",
		"etc/systemd/system/multi-user.target.wants/worker@blog.service":   "-> ../worker@.service",
		"etc/systemd/system/masked.service":                                "-> /dev/null",
		"etc/systemd/system/own.service":                                   "[Service]\nExecStart=/opt/own\n",
		"etc/systemd/system/job.timer":                                     "[Timer]\nOnCalendar=*-*-* 03:30:00\n[Install]\nWantedBy=timers.target\n",
		"etc/systemd/system/job.service":                                   "[Service]\nType=oneshot\nUser=blog\nExecStart=/usr/bin/php /home/blog/job.php\n",
		"etc/systemd/system/timers.target.wants/job.timer":                 "-> ../job.timer",
		"home/blog/.config/systemd/user/mine.service":                      "[Service]\nExecStart=%h/bin/mine\n",
		"home/blog/.config/systemd/user/default.target.wants/mine.service": "-> ../mine.service",
		"home/blog/.config/systemd/user/out.service":                       "-> /etc/systemd/system/own.service",
		"etc/supervisor/conf.d/q.conf":                                     "[program:queue]\ncommand=php /home/shop/queue.php\nuser=shop\nautostart=false\n",
		"proc/9/status":                                                    "Uid:\t2001\t2001\t2001\t2001\n", "proc/9/cmdline": "/usr/bin/python3\x00/home/shop/new.py\x00", "proc/9/comm": "python3\n",
		"proc/10/status": "Uid:\t0\t0\t0\t0\n", "proc/10/cgroup": "0::/system.slice/own.service\n", "proc/10/comm": "own\n", "proc/10/cmdline": "/opt/own\x00",
	})
	w := worldOf(t, r, "shop", "blog")
	w.server.System.Programs = []schema.Software{{Name: "node", Version: "20.1.0"}, {Name: "php", Version: "8.2.1"}, {Name: "python3", Version: "3.11.2"}}
	if err := w.sites(context.Background()); err != nil {
		t.Fatal(err)
	}
	shop, blog := w.accounts[0], w.accounts[1]
	check := func(what string, want, got any) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	check("timers of shop", []schema.Timer{
		{Name: "/etc/cron.d/shop:1", Schedule: "10 * * * *", Command: "node /home/shop/a.js", User: "shop"},
		{Name: "/var/spool/cron/crontabs/shop:3", Schedule: "*/5 * * * *", Command: "php8.1 /home/shop/cron.php --password=(set)", User: "shop"},
	}, shop.Timers)
	check("tasks of shop", []schema.Task{{Name: "/etc/cron.d/shop:1", Schedule: "10 * * * *"}, {Name: "/var/spool/cron/crontabs/shop:3", Schedule: "*/5 * * * *"}}, shop.Tasks)
	check("lines of shop", []schema.Line{{Kind: "cron-variable", Path: "/var/spool/cron/crontabs/shop", Line: 1, What: "MAILTO=a@b"}, {Kind: "cron-variable", Path: "/var/spool/cron/crontabs/shop", Line: 2, What: "DB_PASSWORD=(set)"}}, shop.Lines)
	check("services of shop", []schema.Service{
		{Name: "app.service", User: "shop", Command: "/usr/bin/python3 /home/shop/new.py", File: "/etc/systemd/system/app.service", Enabled: true, Running: true, Type: "notify"},
		{Name: "supervisor:queue", User: "shop", Command: "php /home/shop/queue.php", File: "/etc/supervisor/conf.d/q.conf"},
	}, shop.Services)
	check("programs of shop", []schema.Program{{Name: "app.service", Runtime: "python 3.11"}, {Name: "supervisor:queue", Runtime: "php 8.2"}}, shop.Programs)
	check("services of blog", []schema.Service{
		{Name: "job.service", User: "blog", Command: "/usr/bin/php /home/blog/job.php", File: "/etc/systemd/system/job.service", Type: "oneshot"},
		{Name: "mine.service", User: "blog", Command: "/home/blog/bin/mine", File: "/home/blog/.config/systemd/user/mine.service", Enabled: true},
		{Name: "worker@blog.service", User: "blog", Command: "/home/blog/worker --as blog", File: "/etc/systemd/system/worker@.service", Enabled: true},
	}, blog.Services)
	check("programs of blog", []schema.Program{{Name: "mine.service"}, {Name: "worker@blog.service"}}, blog.Programs)
	check("timers of blog", []schema.Timer{
		{Name: "/var/spool/cron/crontabs/root:1", Schedule: "0 1 * * *", Command: "/home/blog/bin/nightly", User: "root"},
		{Name: "job.timer", Schedule: "*-*-* 03:30:00", Command: "/usr/bin/php /home/blog/job.php", User: "blog"},
	}, blog.Timers)
	check("tasks of blog", []schema.Task{{Name: "/var/spool/cron/crontabs/root:1", Schedule: "0 1 * * *"}, {Name: "job.timer", Schedule: "30 3 * * *"}}, blog.Tasks)
	check("daemons", []schema.Service{
		{Name: "nginx.service", File: "/lib/systemd/system/nginx.service", Enabled: true},
		{Name: "own.service", Command: "/opt/own", File: "/etc/systemd/system/own.service", Running: true},
	}, w.server.System.Daemons)
	check("other of shop", []string{"/etc/cron.d/shop", "/etc/supervisor/conf.d/q.conf", "/etc/systemd/system/app.service"}, sortedSet(shop.Other))
	check("other of blog", []string{"/etc/systemd/system/job.service", "/etc/systemd/system/job.timer", "/etc/systemd/system/worker@.service"}, sortedSet(blog.Other))
	check("own crontabs", []schema.Setting{
		{Service: "cron", Key: "/etc/crontab run-parts", Value: "17 * * * * root", File: "/etc/crontab", Line: 1},
		{Service: "cron", Key: "/var/spool/cron/crontabs/root /root/own", Value: "0 2 * * * root", File: "/var/spool/cron/crontabs/root", Line: 2},
	}, w.server.System.Settings)
	check("runtimes of shop", []schema.RuntimeUse{
		{Name: "nodejs", Version: "20", By: "task /etc/cron.d/shop:1"}, {Name: "php", Version: "8.1", By: "task /var/spool/cron/crontabs/shop:3"},
		{Name: "php", Version: "8.2", By: "program supervisor:queue"}, {Name: "python", Version: "3.11", By: "program app.service"},
	}, shop.found().Runtimes)
}

func TestCronOf(t *testing.T) {
	for in, want := range map[string]string{
		"daily": "@daily", "*-*-* 03:30:00": "30 3 * * *", "*:0/5": "*/5 * * * *", "*-*-* *:00/15:00": "*/15 * * * *", "OnBootSec=5min": "@reboot", "Annually": "@yearly",
		"Mon *-*-* 00:00": "Mon *-*-* 00:00", "*-*-01 00:00": "*-*-01 00:00", "OnUnitActiveSec=1h": "OnUnitActiveSec=1h", "3..5:10": "10 3-5 * * *", "": "", ":": ":",
	} {
		if got := cronOf(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestMasked(t *testing.T) {
	for in, want := range map[string]string{
		"mysqldump -u a -phush db": "mysqldump -u a -p(set) db", "curl -u ann:hush https://x": "curl -u ann:(set) https://x", "x --password hush y": "x --password (set) y",
		"DB_PASS=hush ./run": "DB_PASS=(set) ./run", "redis://:hush@h/0": "redis://:(set)@h/0", "postgres://u:hush@h/d": "postgres://u:(set)@h/d",
		"/bin/backup --token=hush": "/bin/backup --token=(set)", "php /home/a/pass.php": "php /home/a/pass.php", "rsync -p /a /b": "rsync -p /a /b",
		"curl -H 'Authorization: Bearer hushhush' u": "curl -H 'Authorization: Bearer (set)' u",
	} {
		if got := masked(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for key, secret := range map[string]bool{"db_password": true, "ssl_key": true, "env[API_TOKEN]": true, "mysqld/bind_address": false, "dkim_private_key": true, "keepalive_timeout": false, "key_buffer_size": false, "requirepass": true, "passdb/driver": false, "http/ssl_session_tickets": false} {
		if got := secretKey(key); got != secret {
			t.Errorf("%s: %v", key, got)
		}
	}
	if shown("PasswordAuthentication", "no") != "no" || shown("requirepass", "hush") != secretIsSet || shown("ssl_key", "</etc/x.key") != "</etc/x.key" {
		t.Error("what is shown")
	}
}

// pemOf makes a certificate.
func pemOf(t *testing.T, until time.Time, names ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "R3", Organization: []string{"Let's Encrypt"}}, NotAfter: until, IsCA: true, BasicConstraintsValid: true}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestCertificates(t *testing.T) {
	until := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	files := map[string]string{
		"etc/nginx/conf.d/s.conf": "server { server_name shop.example www.shop.example; root /home/shop/www; ssl_certificate /etc/letsencrypt/live/shop.example/fullchain.pem; }\n" +
			"server { server_name blog.example; root /home/blog/www; ssl_certificate /home/blog/ssl/full.pem; }\nserver { server_name hand.example; root /home/blog/hand; ssl_certificate /etc/ssl/hand.pem; }\n" +
			"server { server_name bad.example; root /home/blog/bad; ssl_certificate /etc/ssl/bad.pem; }\n",
		"etc/letsencrypt/live/shop.example/fullchain.pem":     "-> ../../archive/shop.example/fullchain1.pem",
		"etc/letsencrypt/archive/shop.example/fullchain1.pem": "text before\n" + pemOf(t, until, "www.shop.example", "SHOP.example"),
		"etc/letsencrypt/renewal/shop.example.conf":           "version = 2.1\nfullchain = /etc/letsencrypt/live/shop.example/fullchain.pem\n[renewalparams]\nauthenticator = webroot\naccount = 1\n[[webroot_map]]\nshop.example = /var/www/acme\n",
		"etc/letsencrypt/live/alone.example/fullchain.pem":    pemOf(t, until, "alone.example"),
		"etc/letsencrypt/live/star/fullchain.pem":             pemOf(t, until, "*.blog.example"),
		"home/blog/ssl/full.pem":                              pemOf(t, until, "blog.example"),
		"home/blog/.acme.sh/blog.example/blog.example.conf":   "Le_Domain='blog.example'\nLe_Webroot='dns_cf'\nLe_RealFullChainPath='/home/blog/ssl/full.pem'\n",
		"etc/ssl/hand.pem":                                    pemOf(t, until, "hand.example"), "etc/ssl/bad.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"var/spool/cron/crontabs/blog": "0 0 * * * /home/blog/.acme.sh/acme.sh --cron\n",
		"etc/cron.d/certbot":           "0 */12 * * * root certbot -q renew\n",
	}
	look := func() (shop, blog []schema.Certificate) {
		w := worldOf(t, made(t, files), "shop", "blog")
		if err := w.sites(context.Background()); err != nil {
			t.Fatal(err)
		}
		return w.accounts[0].Certificates, w.accounts[1].Certificates
	}
	shop, blog := look()
	const issuer = "Let's Encrypt R3"
	if d := cmp.Diff([]schema.Certificate{{Names: []string{"shop.example", "www.shop.example"}, Expires: until, Renewed: "provider", How: "certbot, webroot /var/www/acme", Issuer: issuer, Path: "/etc/letsencrypt/live/shop.example/fullchain.pem"}}, shop); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]schema.Certificate{
		{Names: []string{"*.blog.example"}, Expires: until, Renewed: "nobody", Issuer: issuer, Path: "/etc/letsencrypt/live/star/fullchain.pem"},
		{Names: []string{"hand.example"}, Expires: until, Renewed: "nobody", Issuer: issuer, Path: "/etc/ssl/hand.pem"},
		{Names: []string{"blog.example"}, Expires: until, Renewed: "account", How: "acme.sh, DNS dns_cf", Issuer: issuer, Path: "/home/blog/ssl/full.pem"},
	}, blog); d != "" {
		t.Error(d)
	}
	delete(files, "etc/cron.d/certbot")
	if shop, _ = look(); shop[0].Renewed != "nobody" || !strings.HasSuffix(shop[0].How, "nothing runs it") {
		t.Errorf("without its timer: %+v", shop[0])
	}
}

func FuzzParseCrontab(f *testing.F) {
	for _, s := range []string{"* * * * * x", "@reboot x", "A=b", "- - - - -", "@", "=\n\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, column := range []bool{false, true} {
			for _, c := range parseCrontab("f", []byte(s), "u", column) {
				if c.line < 1 || c.name == "" && (c.command == "" || c.schedule == "") {
					t.Errorf("%+v", c)
				}
			}
		}
		masked(s)
		shown(s, s)
	})
}

func FuzzUnits(f *testing.F) {
	for _, s := range []string{"[Service]\nExecStart=x \\\n y\n", "[Timer]\nOnCalendar=*:0/5\n", "[[x]]\na = b", "[program:x]\ncommand=%(program_name)s", "=\n\\", "[Service]\nUser=%i%%%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u := &unit{name: "a@b.service", set: parseIni([]byte(s))}
		execLine(u)
		for _, e := range timerTimes(u) {
			cronOf(e)
		}
		supervisorPrograms("f", []byte(s))
		parsePools([]byte(s), "f", "8.2")
		parseMyCnf([]byte(s))
		set := &settings{r: "/nonexistent"}
		for _, file := range []string{"/etc/nginx/nginx.conf", "/etc/apache2/a.conf", "/x/pg_hba.conf", "/x/postgresql.conf", "/etc/dovecot/dovecot.conf", "/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/ssh/sshd_config", "/etc/security/limits.conf", "/etc/hosts", "/etc/apt/sources.list", "/etc/aliases", "/etc/sysctl.conf", "/etc/cron.allow"} {
			set.text(file, []byte(s))
		}
		for _, x := range set.list {
			if x.Key == "" || len(x.Value) > maxValue+10 {
				t.Errorf("%+v", x)
			}
		}
		withoutComments([]byte(s))
	})
}

func FuzzMachine(f *testing.F) {
	f.Add(libraryCache([]cached{{0x0303, "libz.so.1", "/lib/libz.so.1"}}))
	f.Add(localeArchive("en_US.utf8"))
	f.Add([]byte("Package: a\nStatus: install ok installed\nConffiles:\n /x y\n"))
	f.Add([]byte("root:x:0:0:::\n"))
	f.Add([]byte("22 1 8:1 / /a\\040b rw - ext4 /dev/sda1 rw\n"))
	f.Add([]byte("header\n   0: 0100007F:206D 00000000:0000 0A 0:0 0:0 0 2004 0 4711 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = parseCache(b)
		archivedLocales(b)
		_, _, _ = readStatus(strings.NewReader(string(b)))
		parseMounts(b)
		parseSockets("tcp", b)
		ruleLines(b)
		glibcVersion(b)
		readApk(b)
		assignments(b)
		serviceGroup(b)
		firstCertificate(b)
		firstVersion(b)
	})
}

func FuzzLogins(f *testing.F) {
	for _, s := range loginLines() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, ok := parseLogin(s, map[string]string{})
		if ok && (x.user == "" || x.service == "") {
			t.Errorf("%+v", x)
		}
		logTime(s, time.Now())
	})
}
