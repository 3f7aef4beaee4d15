//go:build linux

package look

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/schema"
)

func TestResidue(t *testing.T) {
	r := made(t, map[string]string{
		"var/lib/dpkg/status": "", "var/lib/dpkg/info/a.list": "/.\n/opt\n/usr\n/usr/local\n/etc\n/etc/nginx\n/etc/nginx/nginx.conf\n/etc/nginx/sites-available/default\n/etc/cron.d/pkg\n/var/www/html\n",
		"var/lib/ucf/hashfile":     "0123  /etc/php/8.2/mods-available/pdo.ini\n",
		"home/shop/www/index.html": "mine", "home/old/file": "12345", "home/old/sub/deep": "1", "home/empty/": "", "home/lost+found/x": "x",
		"opt/legacy/run": "#!/bin/sh\n", "srv/left/a": "abc", "srv/data.txt": "abc", "srv/none/": "",
		"usr/local/bin/tool": "x", "usr/local/share/man/man1/": "", "usr/local/man": "-> share/man", "usr/local/lib/python3.11/dist-packages/": "", "usr/local/app/x/y": "12",
		"etc/nginx/nginx.conf": "p", "etc/nginx/sites-available/default": "p", "etc/nginx/sites-enabled/default": "-> ../sites-available/default",
		"etc/nginx/sites-available/shop": "s", "etc/nginx/sites-enabled/shop": "-> ../sites-available/shop", "etc/nginx/own.conf": "own", "etc/nginx/gone": "-> /nowhere",
		"etc/cron.d/pkg": "p", "etc/cron.d/legacy": "12345678", "var/spool/cron/crontabs/shop": "x", "var/spool/cron/crontabs/root": "xy",
		"etc/systemd/system/app.service": "a", "etc/systemd/system/app.service.d/x.conf": "a", "etc/systemd/system/mine.service": "m", "etc/systemd/system/x.wants/app.service": "-> ../app.service",
		"etc/systemd/system/sshd.service": "-> /lib/systemd/system/ssh.service", "lib/systemd/system/ssh.service": "p",
		"etc/php/8.2/mods-available/pdo.ini": "p", "etc/php/8.2/fpm/conf.d/10-pdo.ini": "-> ../../mods-available/pdo.ini",
		"var/www/html/index.html": "p", "var/www/site/index.php": "12", "var/vmail/a.example/ann/cur/1": "x", "var/vmail/b.example/bob/cur/1": "xyz",
		"root/.bashrc": "p", "root/notes": "n", "root/strange \n name": "x",
	})
	if err := os.Link(filepath.Join(string(r), "home/old/file"), filepath.Join(string(r), "home/old/again")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(string(r), "usr/local/bin/tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := worldOf(t, r, "shop")
	w.layout.Residue = []string{"/home", "/opt", "/srv", "/usr/local", "/etc/nginx", "/etc/cron.d", "/var/spool/cron/crontabs", "/etc/systemd/system", "/etc/php", "/var/www", "/var/vmail", "/root", "/nowhere", "/usr/local/bin"}
	w.layout.Ignore = []string{"/home/lost+found", "/root/.bashrc", "/var/www/html/index.html", "/etc/systemd/system/*.wants"}
	shop := w.accounts[0]
	shop.Other = []string{"/etc/nginx/sites-enabled/shop", "/etc/systemd/system/app.service"}
	shop.Mail.Boxes = []schema.Mailbox{{Path: "/var/vmail/a.example/ann"}}
	w.server.System.Engines = []schema.Engine{{Name: "mariadb", Databases: []schema.Database{{Name: "leftover", Bytes: 7}}, Users: []schema.DatabaseUser{{Name: "old", Host: "%"}, {Name: "root", Host: "localhost"}}},
		{Name: "postgresql", Users: []schema.DatabaseUser{{Name: "postgres"}, {Name: "report"}}}}
	if err := w.residue(context.Background()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range w.server.Residue {
		got = append(got, fmt.Sprintf("%s %s %d", x.Path, x.Kind, x.Bytes))
	}
	want := []string{
		"/etc/cron.d/legacy crontab 8", "/etc/nginx/own.conf file 3", "/etc/systemd/system/mine.service unit 1",
		"/home/old directory 6", "/opt/legacy directory 10", "/root/notes file 1", "/root/strange \n name file 1", "/srv/data.txt file 3", "/srv/left directory 3",
		"/usr/local/app directory 2", "/usr/local/bin/tool program 1", "/var/spool/cron/crontabs/root crontab 2", "/var/vmail/b.example directory 3", "/var/www/site directory 2",
		"mariadb/leftover database 7", "mariadb/old@% database-user 0", "postgresql/report database-user 0",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(w.server.Findings) > 0 {
		t.Errorf("%+v", w.server.Findings)
	}
}

// TestResidueIsBounded: a list that is too long is cut, and said to be.
func TestResidueIsBounded(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "srv"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range maxResidue + 10 {
		if err := os.WriteFile(filepath.Join(dir, "srv", fmt.Sprint(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := worldOf(t, root(dir))
	w.layout.Residue = []string{"/srv"}
	if err := w.residue(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(w.server.Residue) != maxResidue || len(w.server.Findings) != 1 || w.server.Findings[0].Code != foundResidueCut {
		t.Errorf("%d, %+v", len(w.server.Residue), w.server.Findings)
	}
}

func TestUnknown(t *testing.T) {
	r := made(t, map[string]string{
		"usr/local/psa/version": "18", "etc/bind/named.conf.local": "// zone \"commented\" {\n", "etc/bind/named.conf": "zone \"x\" { type master; };\n", "etc/roundcube/config.inc.php": "<?php",
		"etc/dovecot/conf.d/auth.conf": "passdb {\n  driver = sql\n}\n", "etc/dovecot/dovecot-sql.conf.ext": "#connect = x\n", "etc/postfix/main.cf": "virtual_mailbox_maps = mysql:/etc/x\n",
		"etc/pam.d/sshd": "auth required pam_google_authenticator.so\n", "etc/nsswitch.conf": "passwd: files ldap\n", "etc/wireguard/wg0.conf": "x", "var/lib/redis/dump.rdb": "x",
		"var/lib/docker/containers/abc/": "", "var/spool/cron/atjobs/a0001": "x", "etc/default/useradd": "x", "etc/memcached.conf": "-m 64\n",
		"proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:50 / /mnt/nas rw - nfs4 nas:/export rw\n31 22 0:51 / /data rw - zfs tank/data rw\n",
		"home/shop/.local/share/containers/storage/overlay-containers/x/": "", "home/blog/.local": "-> /", "etc/ssh/sshd_config": "Port 22\n\tTrustedUserCAKeys /etc/x\n",
	})
	w := worldOf(t, r, "shop", "blog")
	var got []string
	for _, u := range w.unknown(context.Background()) {
		got = append(got, u.Kind+" "+u.Name+" "+u.Path)
		if u.Why == "" || strings.HasSuffix(u.Why, ".") {
			t.Errorf("why: %+v", u)
		}
	}
	want := []string{
		"container Docker /var/lib/docker/containers/abc", "container containers of shop /home/shop/.local/share/containers/storage/overlay-containers", "dns-server BIND /etc/bind/named.conf",
		"engine Memcached /etc/memcached.conf", "engine Redis /var/lib/redis/dump.rdb", "job at jobs /var/spool/cron/atjobs/a0001", "login LDAP users /etc/nsswitch.conf",
		"login certificates for SSH /etc/ssh/sshd_config", "login second factor for SSH /etc/pam.d/sshd", "mount nfs4 /mnt/nas", "panel Plesk /usr/local/psa/version", "snapshot ZFS /data",
		"virtual-mail Dovecot with SQL /etc/dovecot/conf.d/auth.conf", "virtual-mail Postfix with MySQL /etc/postfix/main.cf", "virtual-mail Postfix with virtual mailboxes /etc/postfix/main.cf",
		"vpn WireGuard /etc/wireguard/wg0.conf", "webmail Roundcube /etc/roundcube/config.inc.php",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if list := worldOf(t, made(t, map[string]string{"etc/hosts": ""})).unknown(context.Background()); len(list) > 0 {
		t.Errorf("on an empty machine: %+v", list)
	}
}

func TestSettings(t *testing.T) {
	r := made(t, map[string]string{
		"etc/nginx/nginx.conf":       "user www-data;\nhttp {\n  client_max_body_size 64m;\n  include mime.types;\n  server { listen 80; }\n  limit_req_zone $binary_remote_addr zone=a:10m;\n}\n",
		"etc/nginx/conf.d/gzip.conf": "gzip on;\n",
		"etc/apache2/apache2.conf":   "Timeout 300\n<Directory /srv>\n AllowOverride All\n</Directory>\n<VirtualHost *>\nServerName x\n</VirtualHost>\nAddIcon x y\n", "etc/apache2/mods-enabled/rewrite.load": "LoadModule rewrite_module /usr/lib/x.so\n",
		"etc/php/8.2/fpm/php.ini": "memory_limit = 256M\nhtml_errors = On\n", "etc/mysql/conf.d/a.cnf": "[mysqld]\nmax-allowed-packet = 64M # big\nskip-name-resolve\n[client]\npassword = hush\n",
		"etc/postgresql/15/main/postgresql.conf": "data_directory = '/x'\nwork_mem = 8MB\t\t# more\n#off = 1\nlog_line_prefix = '%m # '\n", "etc/postgresql/15/main/pg_hba.conf": "# TYPE\nhost  all all 127.0.0.1/32 scram-sha-256\nlocal all shop peer map=m\n",
		"etc/dovecot/dovecot.conf": "protocols = imap # all\nservice imap {\n  process_limit = 99\n}\n!include x\n", "etc/postfix/main.cf": "# c\nmynetworks = 127.0.0.0/8\n  [::1]/128\nsmtp_sasl_password_maps = static:u:hush\n",
		"etc/postfix/master.cf": "smtp inet n - y - - smtpd\n  -o x=y\n", "etc/ssh/sshd_config": "Port 22\nPasswordAuthentication no\nMatch User shop\n  ForceCommand internal-sftp\n",
		"etc/sysctl.d/a.conf": "vm.swappiness=10\n", "etc/security/limits.conf": "shop hard nofile 4096 # x\n", "etc/hosts": "127.0.0.1 localhost\n192.0.2.1 me\n192.0.2.5 db db.internal\n", "etc/hostname": "me\n",
		"etc/apt/sources.list": "deb https://u:hush@apt.example/x stable main\n# deb no\n", "etc/sudoers.d/shop": "shop ALL=(ALL) NOPASSWD: /x\n", "etc/cron.allow": "shop\n",
		"var/lib/dpkg/status": "Package: x\nStatus: install ok installed\nVersion: 1\nConffiles:\n /etc/same.conf 098f6bcd4621d373cade4e832627b4f6\n /etc/changed.conf 098f6bcd4621d373cade4e832627b4f6\n /etc/none.conf 098f6bcd4621d373cade4e832627b4f6\n",
		"etc/same.conf":       "test", "etc/changed.conf": "test!", "proc/sys/net/core/somaxconn": "4096\n", "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
	})
	w := worldOf(t, r)
	w.layout.Settings = []string{"/etc/nginx/nginx.conf", "/etc/nginx/conf.d/*.conf", "/etc/apache2/apache2.conf", "/etc/php/*/fpm/php.ini", "/etc/mysql/conf.d/*.cnf", "/etc/postgresql/*/*/*.conf", "/etc/dovecot/*.conf",
		"/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/ssh/sshd_config", "/etc/sysctl.d/*.conf", "/etc/security/limits.conf"}
	var got []string
	for _, s := range w.settings(context.Background()) {
		got = append(got, fmt.Sprintf("%s|%s|%s|%s:%d", s.Service, s.Key, s.Value, s.File, s.Line))
	}
	want := []string{
		"apache|Directory /srv/AllowOverride|All|/etc/apache2/apache2.conf:3", "apache|LoadModule/rewrite_module|on|/etc/apache2/mods-enabled/rewrite.load:1", "apache|Timeout|300|/etc/apache2/apache2.conf:1",
		"apt|https://u:(set)@apt.example/x stable main|on|/etc/apt/sources.list:1", "cron.allow|shop|on|/etc/cron.allow:1",
		"dovecot|protocols|imap|/etc/dovecot/dovecot.conf:1", "dovecot|service imap/process_limit|99|/etc/dovecot/dovecot.conf:3",
		"files|/etc/changed.conf|changed: 5 bytes, digest c4d354440cb41ee38e162bc1f431e99b|/etc/changed.conf:0", "files|/etc/sudoers.d/shop|there|/etc/sudoers.d/shop:0",
		"hosts|db|192.0.2.5|/etc/hosts:3", "hosts|db.internal|192.0.2.5|/etc/hosts:3", "kernel|net.core.somaxconn|4096|:0", "kernel|net.ipv4.ip_local_port_range|32768 60999|:0",
		"limits|shop hard nofile|4096|/etc/security/limits.conf:1",
		"mariadb|client/password|(set)|/etc/mysql/conf.d/a.cnf:5", "mariadb|mysqld/max_allowed_packet|64M|/etc/mysql/conf.d/a.cnf:2", "mariadb|mysqld/skip_name_resolve|on|/etc/mysql/conf.d/a.cnf:3",
		"nginx|http/client_max_body_size|64m|/etc/nginx/nginx.conf:3", "nginx|http/gzip|on|/etc/nginx/conf.d/gzip.conf:1", "nginx|http/limit_req_zone/$binary_remote_addr|zone=a:10m|/etc/nginx/nginx.conf:6", "nginx|user|www-data|/etc/nginx/nginx.conf:1",
		"php-fpm|memory_limit|256M|/etc/php/8.2/fpm/php.ini:1", "postfix|master/smtp inet n - y - -|smtpd|/etc/postfix/master.cf:1", "postfix|mynetworks|127.0.0.0/8 [::1]/128|/etc/postfix/main.cf:2", "postfix|smtp_sasl_password_maps|(set)|/etc/postfix/main.cf:4",
		"postgresql|log_line_prefix|%m #|/etc/postgresql/15/main/postgresql.conf:4", "postgresql|pg_hba/host all all 127.0.0.1/32|scram-sha-256|/etc/postgresql/15/main/pg_hba.conf:2", "postgresql|pg_hba/local all shop|peer map=m|/etc/postgresql/15/main/pg_hba.conf:3", "postgresql|work_mem|8MB|/etc/postgresql/15/main/postgresql.conf:2",
		"sshd|Match User shop/ForceCommand|internal-sftp|/etc/ssh/sshd_config:4", "sshd|PasswordAuthentication|no|/etc/ssh/sshd_config:2", "sshd|Port|22|/etc/ssh/sshd_config:1",
		"sysctl|vm.swappiness|10|/etc/sysctl.d/a.conf:1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
