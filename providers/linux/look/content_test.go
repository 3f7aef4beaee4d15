//go:build linux

package look

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// said is what the files of one account say: "kind path:line what (note)".
func said(t *testing.T, files map[string]string) []string {
	s := newServer(t)
	s.user("alice", 2001, "/home/alice")
	for p, text := range files {
		s.put("/home/alice/"+p, text)
		if strings.HasPrefix(text, "#!") {
			s.check(os.Chmod(s.path("/home/alice/"+p), 0o755))
		}
	}
	_, got := s.look()
	var out []string
	for _, l := range got["alice"].Lines {
		note := ""
		if l.Note != "" {
			note = " (" + l.Note + ")"
		}
		out = append(out, fmt.Sprintf("%s %s:%d %s%s", l.Kind, l.Path, l.Line, l.What, note))
	}
	return out
}

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"shebangs": {map[string]string{
			"a":       "#!/usr/bin/python3.9 -u\n",
			"b.cgi":   "#!/usr/bin/env -S ruby2.7 -w\n",
			"c":       "#!/bin/sh\nexit\n",
			"d":       "#!/usr/bin/env python3\n",
			"e":       "#!/usr/bin/eval PYTHON_VERSION=3.9 python\n",
			"f":       "#!/home/alice/venv/bin/python\n",
			"g":       "#!\n",
			"data.js": "#!/usr/bin/node\n", // executable, but data by its name
		}, []string{
			"shebang a:1 /usr/bin/python3.9 -u (python 3.9)", "shebang b.cgi:1 /usr/bin/env -S ruby2.7 -w (ruby 2.7)", "shebang d:1 /usr/bin/env python3 (python 3)",
			"shebang e:1 /usr/bin/eval PYTHON_VERSION=3.9 python (eval)", "shebang f:1 /home/alice/venv/bin/python (python)", "version-variable e:1 PYTHON_VERSION=3.9 (python 3.9)",
		}},
		"versions": {map[string]string{
			".bashrc":     "export PHP_VERSION=\"7.4\"\n# export RUBY_VERSION=2.5\nexport APP_VERSION=3\nNODE_VERSION=16.1.0\n",
			"run.sh":      "php7.4 -f x.php\n/usr/bin/python2.7 y\npython3 z\n# python3.8\nmy-python3.8\ncd foo && php-cgi5.6\nphpunit7.xml\n",
			"job.php":     "<?php exec('/usr/bin/php8.1 x'); $php7 = 1;\n// /usr/bin/php5.6\n",
			"deploy.yml":  "image: python3.9\n",
			"conf/a.conf": "command=/usr/bin/python3.11 app.py\n",
		}, []string{
			"version-variable .bashrc:1 PHP_VERSION=7.4 (php 7.4)", "version-variable .bashrc:2 RUBY_VERSION=2.5 (ruby 2.5)", "version-variable .bashrc:4 NODE_VERSION=16.1.0 (nodejs 16.1.0)",
			"versioned-binary conf/a.conf:1 /usr/bin/python3.11 (python 3.11)", "versioned-binary job.php:1 /usr/bin/php8.1 (php 8.1)", "versioned-binary run.sh:1 php7.4 (php 7.4)",
			"versioned-binary run.sh:2 /usr/bin/python2.7 (python 2.7)", "versioned-binary run.sh:6 php-cgi5.6 (php 5.6)",
		}},
		"runtime paths": {map[string]string{
			"x.sh":    "\n/usr/alwaysdata/python/3.9.1/bin/python a.py\n",
			"php.ini": "extension_dir = /usr/alwaysdata/php/7.4/ext\n",
		}, []string{
			"php-ini php.ini:1 extension_dir=/usr/alwaysdata/php/7.4/ext", "runtime-path php.ini:1 /usr/alwaysdata/php/7.4/ext (php 7.4)",
			"runtime-path x.sh:2 /usr/alwaysdata/python/3.9.1/bin/python (python 3.9.1)",
		}},
		"htaccess": {map[string]string{
			"www/.htaccess": "\ufeffOrder allow,deny\n  Allow from all\n# Deny from all\nAddHandler application/x-httpd-php5 .php\nphp_value auto_prepend_file \"/home/alice/pre.php\"\nphp_flag display_errors on\n" +
				"DirectoryIndex index.php5\nOptions +Indexes -ExecCGI\nOptions -Indexes\nRewriteEngine On\nRequire all granted\nSatisfy Any\n",
		}, []string{
			"auto-prepend www/.htaccess:5 /home/alice/pre.php (auto_prepend_file)",
			"htaccess www/.htaccess:1 Order allow,deny (access control of Apache 2.2)", "htaccess www/.htaccess:1 byte order mark (Apache refuses the first line)",
			"htaccess www/.htaccess:2 Allow from all (access control of Apache 2.2)", "htaccess www/.htaccess:4 AddHandler application/x-httpd-php5 .php (handler)",
			"htaccess www/.htaccess:5 php_value auto_prepend_file \"/home/alice/pre.php\" (mod_php)", "htaccess www/.htaccess:6 php_flag display_errors on (mod_php)",
			"htaccess www/.htaccess:7 DirectoryIndex index.php5 (index)", "htaccess www/.htaccess:8 Options +Indexes -ExecCGI (listing)", "htaccess www/.htaccess:12 Satisfy Any (access control of Apache 2.2)",
		}},
		"php.ini": {map[string]string{
			".user.ini":    "; extension=no.so\nextension=/home/alice/ext/redis.so\nsession.save_path = \"/tmp\" ; here\nauto_prepend_file=none\nmemory_limit=1G\n",
			"httpd/a.conf": "LoadModule x_module /home/alice/mod_x.so\n",
		}, []string{
			"apache-module httpd/a.conf:1 /home/alice/mod_x.so (x_module)", "php-ini .user.ini:2 extension=/home/alice/ext/redis.so (redis.so)", "php-ini .user.ini:3 session.save_path=/tmp",
		}},
		"listening": {map[string]string{
			"app.py":       "app.run(host='0.0.0.0', port=8080)\n# 0.0.0.0:1\nsock.bind('0.0.0.0:9000')\n",
			"www/index.js": "app.listen(3000)\nserver.listen(process.env.ALWAYSDATA_HTTPD_PORT)\n",
			"start.sh":     "gunicorn -b [::]:8000 --port 8001 x\niptables -s 0.0.0.0/0\n",
			"fw.conf":      "10.0.0.0 100.0.0.0.1\n",
		}, []string{
			"listen app.py:1 0.0.0.0", "listen app.py:3 0.0.0.0:9000", "listen start.sh:1 [::]:8000", "listen start.sh:1 port 8001 (a fixed port)",
			"listen www/index.js:1 port 3000 (a fixed port)", "listen www/index.js:2 ALWAYSDATA_HTTPD_PORT ($IP and $PORT take its place)",
		}},
		"here": {map[string]string{
			"a.php":     "<?php\n$f = '/tmp/state.db';\n$g = \"/tmp\";\n$h = '/var/tmp/x';\n$i = $dir . '/tmp/y';\n$j = '/home/alice/tmp/z';\n$k='/tmpfile';\n// /tmp/comment\n",
			"b.sh":      "grep 404 ~/admin/logs/http/2024/x.log\ntail /var/log/apache2/access.log /var/log/syslog\n",
			"c.php":     "<?php\n$db->query(\"SET SESSION sql_mode = ''\");\n",
			".env":      "REDIS_HOST=127.0.0.1\nDB_HOST=localhost\nCACHE=memcached://localhost:11211\nMAIL_HOST=localhost\n",
			"d.php":     "<?php return ['elastic' => [\n 'hosts' => ['localhost:9200'],\n], 'mysql' => ['host' => 'localhost']];\n",
			"e.json":    `{"amqp": "amqp://guest@127.0.0.1:5672/"}`,
			"notes.txt": "/tmp/x 0.0.0.0:1",
		}, []string{
			"localhost-service .env:1 127.0.0.1 (redis)", "localhost-service .env:3 localhost:11211 (memcached)", "localhost-service d.php:2 localhost:9200 (elasticsearch)", "localhost-service e.json:1 127.0.0.1:5672 (rabbitmq)",
			"log-reader b.sh:1 admin/logs/http/2024/x.log", "log-reader b.sh:2 /var/log/apache2/access.log", `sql-mode c.php:2 sql_mode = ''`,
			"tmp a.php:2 /tmp/state.db", "tmp a.php:3 /tmp", "tmp a.php:5 /tmp/y",
		}},
		"old programs": {map[string]string{
			"a/composer.lock":            `{"packages": [], "plugin-api-version": "1.1.0"}`,
			"b/composer.lock":            `{"packages": []}`,
			"c/composer.lock":            `{"packages": [], "plugin-api-version": "2.6.0"}`,
			"composer.phar":              "#!/usr/bin/env php\n<?php class Composer { const VERSION = '1.10.22'; }",
			"www/core/lib/Drupal.php":    "<?php\nclass Drupal {\n  const VERSION = '8.8.5';\n}\n",
			"old/includes/bootstrap.inc": "<?php\ndefine('VERSION', '7.98');\nfunction drupal_x() {}\n",
			"new/core/lib/Drupal.php":    "<?php const VERSION = '10.1.0';",
			"bin/composer.phar":          "<?php class Composer { const VERSION = '2.5.8'; }",
			"other/lib/Drupal.php":       "<?php const VERSION = '1.2';",
			"node_modules/x/run.sh":      "php7.4\n",
			"vendor/x/conf.ini":          "a=/tmp/x\n",
			"bin.sh":                     "php7.4\x00\x01",
		}, []string{
			"composer a/composer.lock:0 composer.lock 1.1.0 (composer 1)", "composer b/composer.lock:0 composer.lock (composer 1)", "composer composer.phar:0 composer.phar 1.10.22 (composer 1)",
			"drupal old/includes/bootstrap.inc:2 7.98 (Drupal before 8.9)", "drupal www/core/lib/Drupal.php:3 8.8.5 (Drupal before 8.9)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := said(t, c.files)
			slices.Sort(got)
			slices.Sort(c.want)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestEnvironments(t *testing.T) {
	s := newServer(t)
	s.user("alice", 2001, "/home/alice")
	h := "/home/alice/"
	s.put(h+"venv/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n")
	s.runs(h+"venv/bin/pip", "#!/home/alice/venv/bin/python3.11\n/tmp/x\n")
	s.put(h+"old/pyvenv.cfg", "home = /usr/alwaysdata/python/3.8.6\nversion_info = 3.8.6.final.0\nvirtualenv = 20.0\n")
	s.put(h+"app/composer.json", `{"require": {"php": ">=8.1", "ext-intl": "*", "ext-gd": "*", "monolog/monolog": "^3"}}`)
	s.put(h+"app/composer.lock", `{"plugin-api-version": "2.6.0"}`)
	s.put(h+"app/package.json", `{"name": "x", "engines": {"node": ">=18"}}`)
	s.put(h+"app/yarn.lock", "#\n")
	s.put(h+"app/node_modules/left/package.json", `{"engines": {"node": "4"}}`)
	s.put(h+"js/.nvmrc", "v16.20.0\n")
	s.put(h+"js/package.json", `{"engines": "odd"}`)
	s.put(h+"rails/Gemfile.lock", "GEM\n  remote: x\n\nRUBY VERSION\n   ruby 2.7.8p225\n\nBUNDLED WITH\n   2.1.4\n")
	s.put(h+".local/lib/python3.9/site-packages/x.py", "x")
	s.put(h+".gem/ruby/2.7.0/x", "x")
	s.check(os.MkdirAll(s.path(h+".npm-packages"), 0o755))
	_, got := s.look()
	a := got["alice"]
	want := []schema.Environment{
		{Kind: "bundler", Path: "rails", Runtime: "ruby", Version: "2.7.8p225", Tool: "bundler 2.1.4"},
		{Kind: "composer", Path: "app", Runtime: "php", Version: ">=8.1", Needs: []string{"gd", "intl"}, Tool: "composer 2"},
		{Kind: "node", Path: "app", Runtime: "nodejs", Version: ">=18", Tool: "yarn"},
		{Kind: "node", Path: "js", Runtime: "nodejs", Version: "v16.20.0"},
		{Kind: "user-packages", Path: ".gem/ruby/2.7.0", Runtime: "ruby", Version: "2.7.0"},
		{Kind: "user-packages", Path: ".local/lib/python3.9", Runtime: "python", Version: "3.9"},
		{Kind: "user-packages", Path: ".npm-packages", Runtime: "nodejs"},
		{Kind: "venv", Path: "old", Runtime: "python", Version: "3.8.6", Home: "/usr/alwaysdata/python/3.8.6", Tool: "virtualenv"},
		{Kind: "venv", Path: "venv", Runtime: "python", Version: "3.11.2", Home: "/usr/bin", Tool: "venv"},
	}
	if d := cmp.Diff(want, a.Environments); d != "" {
		t.Error(d)
	}
	for _, l := range a.Lines {
		t.Errorf("what tools wrote says nothing: %+v", l)
	}
}

// The automaton finds what looking for each word finds.
func TestAutomaton(t *testing.T) {
	words := []string{"a", "ab", "bab", "abc", "bca", "c.a", "caa", "\xff\x00", "aaaa"}
	rng := rand.New(rand.NewPCG(1, 2))
	letters := []byte("abcABC.\xff\x00")
	a := newAutomaton(words)
	for range 300 {
		text := make([]byte, rng.IntN(200))
		for i := range text {
			text[i] = letters[rng.IntN(len(letters))]
		}
		var got, want []string
		a.scan(text, func(w, end int) { got = append(got, fmt.Sprint(words[w], end)) })
		low := make([]byte, len(text))
		for i := range text {
			low[i] = text[i]
			if 'A' <= text[i] && text[i] <= 'Z' {
				low[i] += 'a' - 'A'
			}
		}
		for _, w := range words {
			for i := range low {
				if bytes.HasPrefix(low[i:], []byte(w)) {
					want = append(want, fmt.Sprint(w, i+len(w)))
				}
			}
		}
		if d := cmp.Diff(sorted(want), sorted(got)); d != "" {
			t.Fatalf("%q: %s", text, d)
		}
	}
	newAutomaton(nil).scan([]byte("x"), func(int, int) { t.Error("found nothing's word") })
}

func sorted(list []string) []string { slices.Sort(list); return list }

// One file cannot make a survey say the same thing a million times.
func TestOneFileIsBounded(t *testing.T) {
	s := newServer(t)
	s.names = []string{"web1.example.net"}
	s.user("eve", 2001, "/home/eve")
	s.put("/home/eve/a.ini", strings.Repeat("x=/tmp/x web1.example.net 0.0.0.0:1 ", 7000))
	s.put("/home/eve/b.ini", strings.Repeat("x=/tmp/x web1.example.net\n", 9000))
	_, got := s.look()
	if n := len(got["eve"].Mentions); n != 11 { // those of one line are one
		t.Errorf("%d mentions", n)
	}
	if n := len(got["eve"].Lines); n > 3*maxOften+3 {
		t.Errorf("%d lines", n)
	}
	b, err := json.Marshal(got["eve"])
	s.check(err)
	if len(b) > 100_000 {
		t.Errorf("%d bytes are told", len(b))
	}
}

func TestPace(t *testing.T) {
	now := time.Unix(0, 0)
	p := &pace{perSecond: 1000, now: func() time.Time { return now }}
	p.wait(1) // a millisecond: nobody waits for that
	if rest := p.free.Sub(now); rest != time.Millisecond {
		t.Errorf("%v", rest)
	}
	now = now.Add(time.Minute)
	p.wait(1)
	if rest := p.free.Sub(now); rest != time.Millisecond {
		t.Errorf("the time in which nothing was read is not made up for: %v", rest)
	}
	(&pace{}).wait(1 << 30)
}

func TestBackups(t *testing.T) {
	s := newServer(t)
	s.user("alice", 2001, "/home/alice")
	s.user("bob", 2002, "/home/bob")
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, p := range []string{"/var/backups/alice-1", "/var/backups/alice-2"} {
		s.check(os.Chtimes(s.put(p, "x"), at, at.Add(time.Duration(i)*time.Hour)))
	}
	_, got := s.look()
	if a := got["alice"]; !a.Backups || !a.Backup.Equal(at.Add(time.Hour)) {
		t.Errorf("%v %v", a.Backups, a.Backup)
	}
	if b := got["bob"]; !b.Backups || !b.Backup.IsZero() {
		t.Errorf("%v %v", b.Backups, b.Backup)
	}
}

// What a file asks for is a use of the line that the server has, and none of
// what it does not have.
func TestUses(t *testing.T) {
	w := newWorld(&Machine{}, agent.LookRequest{}, nil)
	w.server.Runtimes = []schema.Runtime{{Name: "php", Version: "8.2"}, {Name: "python", Version: "3.11"}, {Name: "nodejs", Version: "18"}}
	a, h := &account{}, newHarvest()
	for _, u := range []schema.RuntimeUse{{Name: "python", Version: "3.11", By: "venv a"}, {Name: "python", Version: "3.8", By: "venv b"}, {Name: "php", Version: "8.2.7", By: "file c"},
		{Name: "nodejs", Version: "18.1.0", By: "file d"}, {Name: "nodejs", Version: "181", By: "file e"}, {Name: "php", Version: "8.2.7", By: "file c"}} {
		h.runtimes.add(u)
	}
	w.reap(a, h)
	want := []schema.RuntimeUse{{Name: "nodejs", Version: "18", By: "file d"}, {Name: "php", Version: "8.2", By: "file c"}, {Name: "python", Version: "3.11", By: "venv a"}}
	if d := cmp.Diff(want, a.Runtimes); d != "" {
		t.Error(d)
	}
}

func TestListensOnItsOwnAddress(t *testing.T) {
	s := newServer(t)
	s.names = []string{"192.0.2.10", "2001:db8::1", "web1.example.net"}
	s.user("alice", 2001, "/home/alice")
	s.put("/home/alice/app.ini", "listen = 192.0.2.10:8080\nbind=[2001:db8::1]:81\nhost = 192.0.2.10\nlisten=web1.example.net:80\n# listen 192.0.2.10\nbind 192.0.2.10\n")
	_, got := s.look()
	var out []string
	for _, l := range got["alice"].Lines {
		out = append(out, fmt.Sprint(l.Kind, " ", l.Line, " ", l.What))
	}
	if d := cmp.Diff([]string{"listen 1 192.0.2.10:8080", "listen 2 [2001:db8::1]:81", "listen 6 192.0.2.10"}, out); d != "" {
		t.Error(d)
	}
	if n := len(got["alice"].Mentions); n != 6 {
		t.Errorf("%d mentions", n)
	}
}
