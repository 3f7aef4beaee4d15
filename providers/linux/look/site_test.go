//go:build linux

package look

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// made makes a machine's root of files; "-> target" makes a link.
func made(t *testing.T, files map[string]string) root {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for n := range files {
			if !yield(n) {
				return
			}
		}
	}) {
		text := files[name]
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(to, p)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(p, 0o755)
		} else {
			err = os.WriteFile(p, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root(dir)
}

// worldOf is a survey of a made machine with the accounts named, whose users
// begin at 2001.
func worldOf(t *testing.T, r root, accounts ...string) *world {
	t.Helper()
	w := newWorld(&Machine{Root: string(r)}, agent.LookRequest{Layout: debianLayout()}, nil)
	for i, n := range accounts {
		a := &account{home: "/home/" + n}
		a.Name, a.UID, a.User = n, 2001+i, &schema.User{Home: a.home}
		w.accounts = append(w.accounts, a)
		w.byUID[a.UID], w.byName[n] = a, a
		w.server.System.Users = append(w.server.System.Users, schema.SysUser{Name: n, UID: a.UID, GID: a.UID, Home: a.home})
	}
	w.server.System.Users = append(w.server.System.Users, schema.SysUser{Name: "root"}, schema.SysUser{Name: "www-data", UID: 33, GID: 33})
	return w
}

func debianLayout() schema.Layout {
	return schema.Layout{
		Name: "debian", Homes: []string{"/home/*"}, MinUID: 1000, MaxUID: 59999, Mail: []string{"{home}/Maildir", "/var/vmail/{domain}/{user}"},
		MailUsers: []string{"/etc/dovecot/users"}, MailLogs: []string{"/var/log/mail.log", "/var/log/dovecot.log"},
		Nginx: []string{"/etc/nginx/sites-enabled/*", "/etc/nginx/conf.d/*.conf"}, Apache: []string{"/etc/apache2/sites-enabled/*.conf"},
		Pools: []string{"/etc/php/*/fpm/pool.d/*.conf"}, Certificates: []string{"/etc/letsencrypt/live/*/fullchain.pem"},
		Renewals: []string{"/etc/letsencrypt/renewal/*.conf", "/etc/dehydrated/config", "{home}/.acme.sh/*/*.conf"},
		Crontabs: []string{"/var/spool/cron/crontabs/{account}", "/etc/crontab", "/etc/cron.d/*"},
		Units:    []string{"/etc/systemd/system/*.service", "/etc/systemd/system/*.timer", "{home}/.config/systemd/user/*.service", "{home}/.config/systemd/user/*.timer"},
		FTPUsers: []string{"/etc/proftpd/ftpd.passwd"},
	}
}

func TestSitesOfNginx(t *testing.T) {
	r := made(t, map[string]string{
		"etc/nginx/nginx.conf": "user www-data;\nhttp {\n  root /usr/share/nginx/html;\n  include /etc/nginx/sites-enabled/*;\n  upstream app { server 127.0.0.1:8301; server unix:/home/ledger/app.sock; }\n}\n",
		"etc/nginx/sites-available/shop": `# the shop
server {
    listen 80; server_name www.shop.example;
    return 301 https://shop.example$request_uri;
}
server {
    listen 443 ssl http2;
    server_name shop.example *.shop.example .shop.test;
    root "/home/shop/my www";
    ssl_certificate ssl/shop.pem;
    location /.well-known/ { root /var/www/acme; }
    include snippets/php.conf;
}
`,
		"etc/nginx/sites-enabled/shop":     "-> ../sites-available/shop",
		"etc/nginx/snippets/php.conf":      "location ~ \\.php$ {\n  fastcgi_pass unix:/run/php/shop.sock;\n}\n",
		"etc/nginx/sites-enabled/ledger":   "server {\n server_name ledger.example;\n location / { proxy_pass http://app/base; }\n}\n",
		"etc/nginx/sites-enabled/blog":     "server { server_name blog.example; location / { proxy_pass http://127.0.0.1:8080; } }\n",
		"etc/nginx/sites-enabled/zz":       "server { listen 80 default_server; server_name _; root /var/www/html; }\nserver { server_name lost.example; root /var/www/lost; }\n",
		"etc/php/8.2/fpm/pool.d/shop.conf": "[shop]\nuser = shop\nlisten = /run/php/$pool.sock\nphp_admin_value[memory_limit] = 192M ; more\nenv[DB_PASSWORD] = hush\n",
		"etc/apache2/apache2.conf":         "ServerRoot \"/etc/apache2\"\nInclude ports.conf\nIncludeOptional sites-enabled/*.conf\nIncludeOptional mods-enabled/*.load\n",
		"etc/apache2/ports.conf":           "Listen 8080\n<IfModule ssl_module>\n Listen 443\n</IfModule>\n",
		"etc/apache2/sites-enabled/b.conf": "<VirtualHost *:8080>\n ServerName blog.example:8080\n ServerAlias www.blog.example\n DocumentRoot \\\n  /home/blog/public_html\n <FilesMatch \\.php$>\n  SetHandler \"proxy:unix:/run/php/blog.sock|fcgi://localhost\"\n </FilesMatch>\n</VirtualHost>\n<IfModule mod_ssl.c>\n<VirtualHost *:443>\nServerName never.example\nDocumentRoot /home/blog/x\n</VirtualHost>\n</IfModule>\n",
		"etc/php/8.1/fpm/pool.d/blog.conf": "[blog]\nuser = 2002\nlisten = /var/run/php/blog.sock\n",
	})
	w := worldOf(t, r, "shop", "blog", "ledger")
	if err := w.sites(context.Background()); err != nil {
		t.Fatal(err)
	}
	shop, blog, ledger := w.accounts[0], w.accounts[1], w.accounts[2]
	want := []schema.Site{
		{Domain: "shop.example", Kind: "php", Runtime: "php 8.2", Names: []string{"shop.example", "shop.test", "*.shop.example", "*.shop.test"}, Root: "/home/shop/my www", Server: "nginx",
			File: "/etc/nginx/sites-enabled/shop", Line: 6, Listen: []string{"443 ssl http2"}, Pass: "unix:/run/php/shop.sock", Cert: "/etc/nginx/ssl/shop.pem"},
		{Domain: "www.shop.example", Kind: "redirect", Names: []string{"www.shop.example"}, Server: "nginx", File: "/etc/nginx/sites-enabled/shop", Line: 2, Listen: []string{"80"}},
	}
	if d := cmp.Diff(want, shop.Sites); d != "" {
		t.Error(d)
	}
	want = []schema.Site{
		{Domain: "blog.example", Kind: "php", Runtime: "php 8.1", Names: []string{"blog.example", "www.blog.example"}, Root: "/home/blog/public_html", Server: "apache",
			File: "/etc/apache2/sites-enabled/b.conf", Line: 1, Listen: []string{"*:8080"}, Pass: "unix:/run/php/blog.sock|fcgi://localhost"},
		{Domain: "blog.example", Kind: "proxy", Names: []string{"blog.example"}, Server: "nginx", File: "/etc/nginx/sites-enabled/blog", Line: 1, Pass: "http://127.0.0.1:8080"},
	}
	if d := cmp.Diff(want, blog.Sites); d != "" {
		t.Error(d)
	}
	want = []schema.Site{{Domain: "ledger.example", Kind: "proxy", Names: []string{"ledger.example"}, Server: "nginx", File: "/etc/nginx/sites-enabled/ledger", Line: 1, Pass: "http://127.0.0.1:8301/base"}}
	if d := cmp.Diff(want, ledger.Sites); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]schema.Pool{{Name: "shop", PHP: "8.2", User: "shop", Listen: "/run/php/shop.sock", File: "/etc/php/8.2/fpm/pool.d/shop.conf",
		Settings: map[string]string{"php_admin_value[memory_limit]": "192M", "env[DB_PASSWORD]": "(set)"}}}, shop.Pools); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]schema.RuntimeUse{{Name: "php", Version: "8.1", By: "site blog.example"}}, blog.Runtimes); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]schema.Domain{{Name: "shop.example"}, {Name: "shop.test"}, {Name: "www.shop.example"}}, shop.Domains); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"/etc/nginx/sites-enabled/shop", "/etc/php/8.2/fpm/pool.d/shop.conf"}, shop.Other); d != "" {
		t.Error(d)
	}
	if len(w.server.Findings) != 1 || w.server.Findings[0].Object != "lost.example" || w.server.Findings[0].Evidence[0] != "/etc/nginx/sites-enabled/zz:2" {
		t.Errorf("findings: %+v", w.server.Findings)
	}
}
