package accounts

import (
	"context"
	"os"
	"strings"
)

// shop is a PHP application with MariaDB behind nginx and PHP-FPM.
func (m *maker) shop(ctx context.Context) error {
	a, err := m.user(ctx, "shop", 2001, "/bin/bash")
	if err != nil {
		return err
	}
	a.Domains = []string{"shop.example.org", "www.shop.example.org"}
	for _, f := range [][2]string{{"shop.index.php", "www/index.php"}, {"shop.config.php", "www/config.php"}, {"shop.composer.json", "www/composer.json"}} {
		if err := m.copied(a, f[0], f[1], 0o644); err != nil {
			return err
		}
	}
	// Names that are no trouble to programs that do not build shell lines.
	for _, name := range []string{"www/été 2026/photo 1.jpg", "www/-rf", "www/a\nb.txt", "www/uploads/" + strings.Repeat("x", 200)} {
		if err := m.write(a, name, strings.Repeat("y", 1000), 0o644); err != nil {
			return err
		}
	}
	if err := m.write(a, ".ssh/authorized_keys", key+" ann@example.org\nfrom=\"192.0.2.*\" "+key+" deploy\n", 0o600); err != nil {
		return err
	}
	a.Keys = 2
	if err := m.sql(ctx, "shop.sql", "mariadb"); err != nil {
		return err
	}
	a.Databases["mariadb/shop"] = &Database{Tables: map[string]int64{"orders": 500, "items": 1200, "log": 40, "nokey": 7}}
	if err := m.crontab(ctx, a, "MAILTO=ann@example.org\n# every five minutes\n*/5 * * * * php /home/shop/www/cron.php\n@reboot /home/shop/www/start.sh\n"); err != nil {
		return err
	}
	for _, f := range [][2]string{{"shop.pool.conf", "/etc/php/8.2/fpm/pool.d/shop.conf"}, {"shop.nginx.conf", "/etc/nginx/sites-enabled/shop.conf"}} {
		if err := m.server(f[0], f[1], 0o644); err != nil {
			return err
		}
	}
	return m.certificate(ctx, "/etc/ssl/stopover/shop", "20", a.Domains...)
}

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJwZ0k5V2h1Y0ZqUjBqTkh3Qk9YbVZQS2N6d0Z5UmE3"

// certificate makes a self-signed certificate that ends in some days.
func (m *maker) certificate(ctx context.Context, base, days string, names ...string) error {
	if err := os.MkdirAll(m.path(base), 0o755); err != nil {
		return err
	}
	_, err := m.h.Run(ctx, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", days,
		"-subj", "/CN="+names[0], "-addext", "subjectAltName=DNS:"+strings.Join(names, ",DNS:"),
		"-keyout", base+"/privkey.pem", "-out", base+"/fullchain.pem")
	return err
}

// blog is a PHP application with MariaDB behind Apache with .htaccess, and its
// user reads mail.
func (m *maker) blog(ctx context.Context) error {
	a, err := m.user(ctx, "blog", 2002, "/bin/bash")
	if err != nil {
		return err
	}
	a.Domains = []string{"blog.example.org"}
	for _, f := range [][2]string{{"blog.index.php", "public_html/index.php"}, {"blog.htaccess", "public_html/.htaccess"}} {
		if err := m.copied(a, f[0], f[1], 0o644); err != nil {
			return err
		}
	}
	if err := m.sql(ctx, "blog.sql", "mariadb"); err != nil {
		return err
	}
	a.Databases["mariadb/blog_main"] = &Database{Tables: map[string]int64{"posts": 300}}
	for _, f := range [][2]string{{"blog.pool.conf", "/etc/php/8.2/fpm/pool.d/blog.conf"}, {"blog.apache.conf", "/etc/apache2/sites-enabled/blog.conf"}} {
		if err := m.server(f[0], f[1], 0o644); err != nil {
			return err
		}
	}
	if err := m.mailbox(a, "blog", "/home/blog/Maildir", m.o.Messages); err != nil {
		return err
	}
	if err := m.copied(a, "sieve", "sieve/filter.sieve", 0o600); err != nil {
		return err
	}
	return m.link(a, "sieve/filter.sieve", ".dovecot.sieve")
}

// static is a site without programs, with what trees have: hard links, holes,
// links that lead out, a socket's worth of strange names.
func (m *maker) static(ctx context.Context) error {
	a, err := m.user(ctx, "static", 2003, "/usr/sbin/nologin")
	if err != nil {
		return err
	}
	a.Domains = []string{"static.example.org"}
	for i := range 120 {
		if err := m.write(a, "www/page"+string(rune('a'+i%26))+"/"+strings.Repeat("p", i+1)+".html", strings.Repeat("<p>text</p>\n", i), 0o644); err != nil {
			return err
		}
	}
	if err := m.link(a, "/usr/share/doc", "www/docs"); err != nil {
		return err
	}
	if err := m.link(a, "page"+"a", "www/inside"); err != nil {
		return err
	}
	if err := os.Link(m.path("/home/static/www/pagea/p.html"), m.path("/home/static/www/hard.html")); err != nil {
		return err
	}
	a.Entries++ // its bytes are those of the other name: none here, the page is empty
	return m.server("static.nginx.conf", "/etc/nginx/sites-enabled/static.conf", 0o644)
}

// ledger is a program with PostgreSQL that runs as a service.
func (m *maker) ledger(ctx context.Context) error {
	a, err := m.user(ctx, "ledger", 2004, "/bin/sh")
	if err != nil {
		return err
	}
	a.Domains = []string{"ledger.example.org"}
	if err := m.copied(a, "ledger.py", "app/ledger.py", 0o755); err != nil {
		return err
	}
	if err := m.sql(ctx, "ledger.sql", "su", "postgres", "-c", "psql -qv ON_ERROR_STOP=1"); err != nil {
		return err
	}
	a.Databases["postgresql/ledger"] = &Database{Tables: map[string]int64{"public.entries": 800, "public.nokey": 5, "public.cache": 3}}
	a.Services = []string{"ledger.service"}
	for _, f := range [][2]string{{"ledger.service", "/etc/systemd/system/ledger.service"}, {"ledger.nginx.conf", "/etc/nginx/sites-enabled/ledger.conf"}} {
		if err := m.server(f[0], f[1], 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(m.path("/etc/systemd/system/multi-user.target.wants"), 0o755); err != nil {
		return err
	}
	if err := os.Symlink("/etc/systemd/system/ledger.service", m.path("/etc/systemd/system/multi-user.target.wants/ledger.service")); err != nil {
		return err
	}
	// No systemd here: what it would do.
	_, err = m.h.Run(ctx, "sh", "-c", "cd /home/ledger/app && setsid setpriv --reuid 2004 --regid 2004 --clear-groups python3 /home/ledger/app/ledger.py </dev/null >/dev/null 2>&1 &")
	return err
}

// mailco has virtual mail users.
func (m *maker) mailco(ctx context.Context) error {
	a, err := m.user(ctx, "mailco", 2005, "/bin/bash")
	if err != nil {
		return err
	}
	a.Domains = nil
	if err := m.write(a, "README", "mail only\n", 0o644); err != nil {
		return err
	}
	if err := m.server("dovecot.conf", "/etc/dovecot/conf.d/99-stopover.conf", 0o644); err != nil {
		return err
	}
	if err := m.server("dovecot.users", "/etc/dovecot/users", 0o640); err != nil {
		return err
	}
	if _, err := m.h.Run(ctx, "chgrp", "dovecot", "/etc/dovecot/users"); err != nil {
		return err
	}
	for user, n := range map[string]int{"ann": m.o.Messages, "bob": 10, "empty": 0} {
		if err := m.mailbox(a, user+"@mailco.example", "/var/vmail/mailco.example/"+user, n); err != nil {
			return err
		}
	}
	text, err := m.text("sieve")
	if err != nil {
		return err
	}
	p := "/var/vmail/mailco.example/ann/sieve/main.sieve"
	if err := m.put(p, text, 0o600); err != nil {
		return err
	}
	a.Mailboxes["ann@mailco.example"].Whole += int64(len(text))
	_, err = m.h.Run(ctx, "chown", "-R", "mailco:mailco", "/var/vmail/mailco.example")
	return err
}

// pyapp has what was built for one release: a virtualenv, packages of its user,
// a native program.
func (m *maker) pyapp(ctx context.Context) error {
	a, err := m.user(ctx, "pyapp", 2006, "/bin/bash")
	if err != nil {
		return err
	}
	if _, err := m.h.Run(ctx, "setpriv", "--reuid", "2006", "--regid", "2006", "--clear-groups", "python3", "-m", "venv", "--without-pip", "/home/pyapp/venv"); err != nil {
		return err
	}
	// Made by a program, so that it has to be counted afterwards, by another.
	if err := m.count(ctx, a, "/home/pyapp/venv"); err != nil {
		return err
	}
	for _, f := range [][2]string{{"pyapp.py", "bin/job"}, {"pyapp.env", ".env"}} {
		if err := m.copied(a, f[0], f[1], 0o755); err != nil {
			return err
		}
	}
	if err := m.write(a, ".local/lib/python3.11/site-packages/thing.py", "x = 1\n", 0o644); err != nil {
		return err
	}
	// A real program for this release that newer ones lack libraries of.
	data, err := os.ReadFile(m.path("/usr/lib/postgresql/15/bin/postgres"))
	if err != nil {
		return err
	}
	if err := m.write(a, "bin/importer", string(data), 0o755); err != nil {
		return err
	}
	a.Lacking = []string{"libicui18n.so.72", "libicuuc.so.72", "libldap-2.5.so.0"}
	return m.crontab(ctx, a, "0 3 * * * /home/pyapp/bin/job\n")
}

// unowned is what belongs to no account.
func (m *maker) unowned(ctx context.Context) error {
	for p, text := range map[string]string{
		"/etc/cron.d/legacy":        "*/10 * * * * root /opt/legacy/run\n",
		"/opt/legacy/run":           "#!/bin/sh\nexit 0\n",
		"/usr/local/bin/checkdisk":  "#!/bin/sh\ndf /\n",
		"/srv/left/archive.txt":     strings.Repeat("old\n", 1000),
		"/etc/bind/named.conf":      "zone \"example.org\" { type master; file \"/etc/bind/db.example.org\"; };\n",
		"/etc/bind/db.example.org":  "$TTL 300\n@ IN SOA ns hostmaster 1 3600 600 86400 300\n@ IN NS ns\n",
		"/etc/roundcube/config.php": "<?php $config['db_dsnw'] = 'mysql://roundcube@localhost/roundcube';\n",
	} {
		if err := m.put(p, text, 0o644); err != nil {
			return err
		}
	}
	m.truth.Residue = []string{"/etc/cron.d/legacy", "/opt/legacy", "/srv/left", "/usr/local/bin/checkdisk"}
	m.truth.Unknown = []string{"dns-server", "webmail"}
	m.truth.Orphans = []string{"mariadb/leftover"}
	_, err := m.h.Run(ctx, "mariadb", "-e", "CREATE DATABASE leftover; CREATE TABLE leftover.t (id int primary key)")
	return err
}

// reload makes the daemons read what was written for them.
func (m *maker) reload(ctx context.Context) error {
	for _, argv := range [][]string{
		{"sh", "-c", "nginx -t 2>&1 && nginx -s reload"},
		{"sh", "-c", "apache2ctl configtest 2>&1 && apache2ctl graceful"},
		{"sh", "-c", `kill -USR2 $(cat /run/php/php8.2-fpm.pid)
for s in shop blog; do
  i=0; until [ -S /run/php/$s.sock ] || [ $i = 100 ]; do sleep 0.05; i=$((i+1)); done
done`},
		{"doveadm", "reload"},
	} {
		if _, err := m.h.Run(ctx, argv...); err != nil {
			return err
		}
	}
	return nil
}
