//go:build linux

package look

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// sign is something by which a thing is recognised that a survey does not
// understand: the first path that is there.
type sign struct {
	kind, name string
	paths      []string
	has        string // the file has it in its text, in small letters
	why        string
}

const (
	whyPanel   = "it keeps accounts, domains, mailboxes and databases in a place of its own and writes the configuration of the other services: what it knows is not moved, and it would write over what was"
	whyMail    = "mailboxes and their users are in a database or directory that the survey does not read: they are not among the accounts"
	whyDNS     = "it answers for zones: other servers and resolvers ask it, and the zones are not moved"
	whyWebmail = "it keeps address books, identities and settings of mail users in a database of its own"
	whyList    = "its lists, members and archives belong to no account"
	whyDAV     = "it keeps calendars and address books of users"
	whyBox     = "what runs in containers, and their volumes, is not in the homes of accounts"
	whyVPN     = "its keys and peers name this machine and its addresses"
	whyData    = "it may hold data of applications, and applications reach it at this machine's own address; it has to run on the other server, too"
	whyLogin   = "users come from elsewhere than /etc/passwd: they are not among the accounts, and the other server has to know them, too"
	whyCode    = "it keeps repositories, users and keys of its own"
	whyOTP     = "logins ask for a second factor: its secrets and the PAM rule have to be on the other server, or nobody can log in"
	whyProxy   = "it answers in front of the web servers with rules and certificates of its own, which the survey does not read"
	whyMetrics = "it watches this machine by name and address: what it watches changes when accounts move"
	whyBackup  = "its schedule and its key are on this machine: accounts on the other server are not in its backups before it is set up there"
)

// signs lists what is known to be not understood. It is data: more of it is a
// line more.
func signs() []sign {
	return []sign{
		{kind: "panel", name: "Plesk", paths: []string{"/usr/local/psa/version", "/opt/psa/version", "/usr/local/psa"}, why: whyPanel},
		{kind: "panel", name: "cPanel", paths: []string{"/usr/local/cpanel/version", "/usr/local/cpanel"}, why: whyPanel},
		{kind: "panel", name: "ISPConfig", paths: []string{"/usr/local/ispconfig"}, why: whyPanel},
		{kind: "panel", name: "Froxlor", paths: []string{"/var/www/froxlor", "/var/www/html/froxlor", "/srv/www/froxlor"}, why: whyPanel},
		{kind: "panel", name: "DirectAdmin", paths: []string{"/usr/local/directadmin"}, why: whyPanel},
		{kind: "panel", name: "Virtualmin", paths: []string{"/etc/webmin/virtual-server"}, why: whyPanel},
		{kind: "panel", name: "Webmin", paths: []string{"/etc/webmin/miniserv.conf"}, why: whyPanel},
		{kind: "panel", name: "HestiaCP", paths: []string{"/usr/local/hestia"}, why: whyPanel},
		{kind: "panel", name: "VestaCP", paths: []string{"/usr/local/vesta"}, why: whyPanel},
		{kind: "panel", name: "CyberPanel", paths: []string{"/usr/local/CyberCP", "/etc/cyberpanel"}, why: whyPanel},
		{kind: "panel", name: "CloudPanel", paths: []string{"/home/clp/services"}, why: whyPanel},
		{kind: "panel", name: "aaPanel", paths: []string{"/www/server/panel"}, why: whyPanel},
		{kind: "panel", name: "KeyHelp", paths: []string{"/home/keyhelp", "/etc/keyhelp"}, why: whyPanel},
		{kind: "panel", name: "Sentora", paths: []string{"/etc/sentora"}, why: whyPanel},
		{kind: "panel", name: "i-MSCP", paths: []string{"/etc/imscp"}, why: whyPanel},
		{kind: "panel", name: "Ajenti", paths: []string{"/etc/ajenti"}, why: whyPanel},
		{kind: "panel", name: "Cockpit", paths: []string{"/etc/cockpit/cockpit.conf"}, why: "its settings are on this machine only"},
		{kind: "panel", name: "YunoHost", paths: []string{"/etc/yunohost"}, why: whyPanel},

		{kind: "virtual-mail", name: "Dovecot with SQL", paths: []string{"/etc/dovecot/dovecot-sql.conf.ext", "/etc/dovecot/dovecot-sql.conf", "/etc/dovecot/conf.d/*.conf", "/etc/dovecot/dovecot.conf"}, has: "driver = sql", why: whyMail},
		{kind: "virtual-mail", name: "Dovecot with SQL", paths: []string{"/etc/dovecot/dovecot-sql.conf.ext", "/etc/dovecot/dovecot-sql.conf"}, has: "\nconnect =", why: whyMail},
		{kind: "virtual-mail", name: "Dovecot with LDAP", paths: []string{"/etc/dovecot/conf.d/*.conf", "/etc/dovecot/dovecot.conf"}, has: "driver = ldap", why: whyMail},
		{kind: "virtual-mail", name: "Postfix with MySQL", paths: []string{"/etc/postfix/main.cf"}, has: "mysql:", why: whyMail},
		{kind: "virtual-mail", name: "Postfix with PostgreSQL", paths: []string{"/etc/postfix/main.cf"}, has: "pgsql:", why: whyMail},
		{kind: "virtual-mail", name: "Postfix with LDAP", paths: []string{"/etc/postfix/main.cf"}, has: "ldap:", why: whyMail},
		{kind: "virtual-mail", name: "Postfix with virtual mailboxes", paths: []string{"/etc/postfix/main.cf"}, has: "\nvirtual_mailbox_maps", why: "it delivers to mailboxes by a map of its own"},
		{kind: "virtual-mail", name: "Exim with SQL", paths: []string{"/etc/exim4/exim4.conf", "/etc/exim4/conf.d/*/*", "/etc/exim.conf", "/etc/exim4/exim4.conf.localmacros"}, has: "${lookup mysql", why: whyMail},
		{kind: "virtual-mail", name: "Cyrus", paths: []string{"/etc/imapd.conf", "/var/spool/cyrus"}, why: "its mailboxes are in a format of its own, not in Maildirs"},
		{kind: "virtual-mail", name: "Courier", paths: []string{"/etc/courier/authdaemonrc"}, why: whyMail},
		{kind: "virtual-mail", name: "Stalwart", paths: []string{"/opt/stalwart-mail", "/etc/stalwart"}, why: whyMail},
		{kind: "virtual-mail", name: "Zimbra", paths: []string{"/opt/zimbra"}, why: whyMail},
		{kind: "virtual-mail", name: "OpenSMTPD", paths: []string{"/etc/smtpd.conf"}, why: "its aliases and tables are not read"},
		{kind: "mail-forward", name: "virtual aliases of Postfix", paths: []string{"/etc/postfix/virtual"}, why: "mail is passed on by this file, which belongs to no account"},
		{kind: "mail-filter", name: "OpenDKIM", paths: []string{"/etc/opendkim/KeyTable", "/etc/opendkim.conf", "/etc/dkimkeys/*"}, has: "", why: "it signs mail with keys that are published in DNS: without them mail of the domains is refused"},
		{kind: "mail-filter", name: "Rspamd", paths: []string{"/etc/rspamd/local.d/*", "/var/lib/rspamd/dkim/*"}, why: "it has rules, what it learned, and perhaps DKIM keys of its own"},
		{kind: "mail-filter", name: "SpamAssassin", paths: []string{"/var/lib/spamassassin/.spamassassin", "/etc/spamassassin/local.cf"}, has: "bayes", why: "what it learned of mail is not in the homes of accounts"},
		{kind: "mail-filter", name: "Amavis", paths: []string{"/etc/amavis/conf.d/50-user"}, why: "it has rules of its own"},
		{kind: "mail-filter", name: "Greylisting", paths: []string{"/var/lib/postgrey/postgrey.db"}, why: "senders are deferred again until it has seen them on the new server"},

		{kind: "dns-server", name: "BIND", paths: []string{"/etc/bind/named.conf.local", "/etc/bind/named.conf", "/etc/named.conf"}, has: "zone ", why: whyDNS},
		{kind: "dns-server", name: "PowerDNS", paths: []string{"/etc/powerdns/pdns.conf", "/etc/pdns/pdns.conf"}, why: whyDNS},
		{kind: "dns-server", name: "NSD", paths: []string{"/etc/nsd/nsd.conf"}, has: "zone:", why: whyDNS},
		{kind: "dns-server", name: "Knot", paths: []string{"/etc/knot/knot.conf"}, has: "zone:", why: whyDNS},
		{kind: "dns-server", name: "dnsmasq", paths: []string{"/etc/dnsmasq.d/*", "/etc/dnsmasq.conf"}, has: "\naddress=", why: whyDNS},
		{kind: "dns-server", name: "djbdns", paths: []string{"/etc/tinydns"}, why: whyDNS},

		{kind: "webmail", name: "Roundcube", paths: []string{"/etc/roundcube/config.inc.php", "/etc/roundcube/config.php", "/var/www/roundcube", "/var/www/html/roundcube", "/usr/share/roundcube"}, why: whyWebmail},
		{kind: "webmail", name: "RainLoop", paths: []string{"/var/www/rainloop", "/var/www/html/rainloop", "/var/lib/rainloop"}, why: whyWebmail},
		{kind: "webmail", name: "SnappyMail", paths: []string{"/var/lib/snappymail", "/var/www/snappymail", "/var/www/html/snappymail"}, why: whyWebmail},
		{kind: "webmail", name: "SquirrelMail", paths: []string{"/etc/squirrelmail", "/var/lib/squirrelmail"}, why: whyWebmail},
		{kind: "webmail", name: "Horde", paths: []string{"/etc/horde", "/var/www/horde"}, why: whyWebmail},
		{kind: "webmail", name: "SOGo", paths: []string{"/etc/sogo/sogo.conf"}, why: whyWebmail},
		{kind: "webmail", name: "Nextcloud", paths: []string{"/var/www/nextcloud/config", "/var/www/html/nextcloud/config", "/var/snap/nextcloud"}, why: "it keeps files and data of users outside of accounts"},

		{kind: "mailing-list", name: "Mailman 3", paths: []string{"/etc/mailman3", "/var/lib/mailman3"}, why: whyList},
		{kind: "mailing-list", name: "Mailman 2", paths: []string{"/var/lib/mailman/lists", "/etc/mailman"}, why: whyList},
		{kind: "mailing-list", name: "Sympa", paths: []string{"/etc/sympa"}, why: whyList},
		{kind: "mailing-list", name: "mlmmj", paths: []string{"/var/spool/mlmmj"}, why: whyList},
		{kind: "mailing-list", name: "ezmlm", paths: []string{"/etc/ezmlm", "/var/lib/ezmlm"}, why: whyList},

		{kind: "dav", name: "Radicale", paths: []string{"/etc/radicale", "/var/lib/radicale"}, why: whyDAV},
		{kind: "dav", name: "Baïkal", paths: []string{"/var/www/baikal", "/var/www/html/baikal"}, why: whyDAV},
		{kind: "dav", name: "DAViCal", paths: []string{"/etc/davical"}, why: whyDAV},

		{kind: "container", name: "Docker", paths: []string{"/var/lib/docker/containers/*", "/var/lib/docker/volumes/*"}, why: whyBox},
		{kind: "container", name: "Podman", paths: []string{"/var/lib/containers/storage/overlay-containers/*"}, why: whyBox},
		{kind: "container", name: "LXC", paths: []string{"/var/lib/lxc/*/config"}, why: whyBox},
		{kind: "container", name: "LXD", paths: []string{"/var/lib/lxd/containers/*", "/var/snap/lxd/common/lxd/containers/*", "/var/lib/incus/containers/*"}, why: whyBox},
		{kind: "container", name: "systemd-nspawn", paths: []string{"/var/lib/machines/*"}, why: whyBox},
		{kind: "container", name: "Kubernetes", paths: []string{"/var/lib/kubelet", "/var/lib/rancher/k3s"}, why: whyBox},
		{kind: "container", name: "virtual machines", paths: []string{"/var/lib/libvirt/images/*", "/etc/libvirt/qemu/*.xml"}, why: whyBox},
		{kind: "container", name: "snap", paths: []string{"/var/snap/*/current"}, why: "applications of snap keep their data in /var/snap"},
		{kind: "container", name: "flatpak", paths: []string{"/var/lib/flatpak/app/*"}, why: "its applications are not packages of the system"},

		{kind: "vpn", name: "OpenVPN", paths: []string{"/etc/openvpn/*.conf", "/etc/openvpn/server/*.conf", "/etc/openvpn/client/*.conf"}, why: whyVPN},
		{kind: "vpn", name: "WireGuard", paths: []string{"/etc/wireguard/*.conf"}, why: whyVPN},
		{kind: "vpn", name: "strongSwan", paths: []string{"/etc/ipsec.secrets", "/etc/swanctl/conf.d/*.conf"}, why: whyVPN},
		{kind: "vpn", name: "Tailscale", paths: []string{"/var/lib/tailscale/tailscaled.state"}, why: whyVPN},
		{kind: "vpn", name: "tinc", paths: []string{"/etc/tinc/*/tinc.conf"}, why: whyVPN},

		{kind: "engine", name: "Redis", paths: []string{"/var/lib/redis/dump.rdb", "/var/lib/redis/appendonlydir", "/var/lib/redis/*.aof", "/etc/redis/redis.conf", "/var/lib/valkey/dump.rdb"}, why: whyData},
		{kind: "engine", name: "Memcached", paths: []string{"/etc/memcached.conf"}, why: "applications may keep sessions in it: users have to log in again, and it has to run on the other server, too"},
		{kind: "engine", name: "RabbitMQ", paths: []string{"/var/lib/rabbitmq/mnesia"}, why: whyData},
		{kind: "engine", name: "Elasticsearch", paths: []string{"/var/lib/elasticsearch/nodes", "/var/lib/elasticsearch/indices", "/var/lib/elasticsearch", "/etc/elasticsearch"}, why: whyData},
		{kind: "engine", name: "OpenSearch", paths: []string{"/var/lib/opensearch"}, why: whyData},
		{kind: "engine", name: "Solr", paths: []string{"/var/solr/data", "/opt/solr"}, why: whyData},
		{kind: "engine", name: "MongoDB", paths: []string{"/var/lib/mongodb/WiredTiger", "/var/lib/mongo/WiredTiger", "/etc/mongod.conf"}, why: whyData},
		{kind: "engine", name: "CouchDB", paths: []string{"/var/lib/couchdb", "/opt/couchdb/data"}, why: whyData},
		{kind: "engine", name: "InfluxDB", paths: []string{"/var/lib/influxdb"}, why: whyData},
		{kind: "engine", name: "Cassandra", paths: []string{"/var/lib/cassandra/data"}, why: whyData},
		{kind: "engine", name: "Neo4j", paths: []string{"/var/lib/neo4j/data"}, why: whyData},
		{kind: "engine", name: "ClickHouse", paths: []string{"/var/lib/clickhouse/data"}, why: whyData},
		{kind: "engine", name: "Meilisearch", paths: []string{"/var/lib/meilisearch"}, why: whyData},
		{kind: "engine", name: "MinIO", paths: []string{"/etc/default/minio"}, why: whyData},
		{kind: "engine", name: "Kafka", paths: []string{"/var/lib/kafka", "/opt/kafka"}, why: whyData},
		{kind: "engine", name: "Manticore or Sphinx", paths: []string{"/var/lib/manticore", "/var/lib/sphinxsearch/data/*"}, why: whyData},
		{kind: "engine", name: "NATS", paths: []string{"/etc/nats-server.conf"}, why: whyData},

		{kind: "login", name: "SSSD", paths: []string{"/etc/sssd/sssd.conf"}, why: whyLogin},
		{kind: "login", name: "LDAP users", paths: []string{"/etc/nslcd.conf", "/etc/libnss-ldap.conf"}, why: whyLogin},
		{kind: "login", name: "LDAP users", paths: []string{"/etc/nsswitch.conf"}, has: " ldap", why: whyLogin},
		{kind: "login", name: "Winbind", paths: []string{"/etc/nsswitch.conf"}, has: " winbind", why: whyLogin},
		{kind: "login", name: "users of a database", paths: []string{"/etc/nsswitch.conf"}, has: " mysql", why: whyLogin},
		{kind: "login", name: "LDAP server", paths: []string{"/var/lib/ldap/data.mdb", "/etc/ldap/slapd.d"}, why: "it answers for users, perhaps of other machines"},
		{kind: "login", name: "Kerberos", paths: []string{"/etc/krb5.keytab"}, why: "its key is for this machine's name"},
		{kind: "login", name: "second factor for SSH", paths: []string{"/etc/pam.d/sshd", "/etc/pam.d/common-auth"}, has: "pam_google_authenticator", why: whyOTP},
		{kind: "login", name: "second factor for SSH", paths: []string{"/etc/pam.d/sshd", "/etc/pam.d/common-auth"}, has: "pam_oath", why: whyOTP},
		{kind: "login", name: "second factor for SSH", paths: []string{"/etc/pam.d/sshd", "/etc/pam.d/common-auth"}, has: "pam_duo", why: whyOTP},
		{kind: "login", name: "certificates for SSH", paths: []string{"/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf"}, has: "\ntrustedusercakeys", why: "users log in with certificates that an authority signs: the other server has to trust it, too"},
		{kind: "login", name: "keys by command", paths: []string{"/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf"}, has: "\nauthorizedkeyscommand ", why: "keys of users come from a program: they are not in their homes"},
		{kind: "login", name: "chroot of SFTP", paths: []string{"/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf"}, has: "\nchrootdirectory", why: "users of SFTP are put into a directory, which needs its owner and mode on the other server"},
		{kind: "login", name: "FTP users of a database", paths: []string{"/etc/proftpd/sql.conf", "/etc/proftpd/proftpd.conf"}, has: "sqlconnectinfo", why: "further users are in a database that the survey does not read"},
		{kind: "login", name: "FTP users of PAM", paths: []string{"/etc/vsftpd.conf", "/etc/vsftpd/vsftpd.conf"}, has: "guest_enable=yes", why: "further users are in a file that the survey does not read"},
		{kind: "login", name: "Samba", paths: []string{"/var/lib/samba/private/passdb.tdb"}, why: "its users have passwords of their own"},

		{kind: "git", name: "GitLab", paths: []string{"/etc/gitlab/gitlab.rb", "/var/opt/gitlab"}, why: whyCode},
		{kind: "git", name: "Gitea", paths: []string{"/etc/gitea/app.ini", "/var/lib/gitea"}, why: whyCode},
		{kind: "git", name: "Forgejo", paths: []string{"/etc/forgejo/app.ini", "/var/lib/forgejo"}, why: whyCode},
		{kind: "git", name: "Gitolite", paths: []string{"/var/lib/gitolite3", "/etc/gitolite3"}, why: whyCode},
		{kind: "git", name: "Subversion", paths: []string{"/var/svn", "/srv/svn", "/var/lib/svn"}, why: whyCode},

		{kind: "proxy", name: "HAProxy", paths: []string{"/etc/haproxy/haproxy.cfg"}, has: "\nfrontend", why: whyProxy},
		{kind: "proxy", name: "Caddy", paths: []string{"/etc/caddy/Caddyfile"}, why: whyProxy},
		{kind: "proxy", name: "Traefik", paths: []string{"/etc/traefik"}, why: whyProxy},
		{kind: "proxy", name: "Varnish", paths: []string{"/etc/varnish/default.vcl"}, why: whyProxy},
		{kind: "proxy", name: "lighttpd", paths: []string{"/etc/lighttpd/lighttpd.conf"}, why: whyProxy},
		{kind: "proxy", name: "OpenLiteSpeed", paths: []string{"/usr/local/lsws/conf"}, why: whyProxy},
		{kind: "proxy", name: "Squid", paths: []string{"/etc/squid/squid.conf"}, why: whyProxy},
		{kind: "proxy", name: "Tor", paths: []string{"/var/lib/tor/*/hostname"}, why: "the names of hidden services are keys on this machine"},
		{kind: "proxy", name: "Tomcat", paths: []string{"/var/lib/tomcat*/webapps/*"}, why: "its applications are outside of the homes of accounts"},

		{kind: "backup", name: "Borg", paths: []string{"/etc/borgmatic", "/root/.config/borg", "/root/.borgmatic"}, why: whyBackup},
		{kind: "backup", name: "restic", paths: []string{"/root/.cache/restic", "/etc/restic"}, why: whyBackup},
		{kind: "backup", name: "Bacula or Bareos", paths: []string{"/etc/bacula/bacula-fd.conf", "/etc/bareos"}, why: whyBackup},
		{kind: "backup", name: "BackupPC", paths: []string{"/etc/backuppc"}, why: whyBackup},
		{kind: "backup", name: "duplicity", paths: []string{"/root/.duply", "/etc/duply"}, why: whyBackup},
		{kind: "monitoring", name: "Munin", paths: []string{"/etc/munin/munin-node.conf"}, why: whyMetrics},
		{kind: "monitoring", name: "Nagios", paths: []string{"/etc/nagios/nrpe.cfg"}, why: whyMetrics},
		{kind: "monitoring", name: "Zabbix", paths: []string{"/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agent2.conf"}, why: whyMetrics},
		{kind: "monitoring", name: "Prometheus", paths: []string{"/etc/prometheus/prometheus.yml", "/etc/default/prometheus-node-exporter"}, why: whyMetrics},
		{kind: "monitoring", name: "Icinga", paths: []string{"/etc/icinga2/icinga2.conf"}, why: whyMetrics},
		{kind: "automation", name: "Puppet", paths: []string{"/etc/puppetlabs/puppet/puppet.conf", "/etc/puppet/puppet.conf"}, why: "it writes the configuration of this machine by its name: see that it does not undo what is moved"},
		{kind: "automation", name: "Chef", paths: []string{"/etc/chef/client.rb"}, why: "it writes the configuration of this machine by its name: see that it does not undo what is moved"},
		{kind: "automation", name: "Salt", paths: []string{"/etc/salt/minion_id"}, why: "it writes the configuration of this machine by its name: see that it does not undo what is moved"},
		{kind: "automation", name: "CI runner", paths: []string{"/etc/gitlab-runner/config.toml", "/home/*/actions-runner"}, why: "jobs of others run on this machine, with secrets of theirs"},

		{kind: "share", name: "NFS exports", paths: []string{"/etc/exports"}, has: "/", why: "other machines mount directories of this one"},
		{kind: "share", name: "Samba shares", paths: []string{"/etc/samba/smb.conf"}, has: "\npath =", why: "other machines mount directories of this one"},
		{kind: "job", name: "at jobs", paths: []string{"/var/spool/cron/atjobs/*", "/var/spool/at/[a-z]*"}, why: "jobs wait for their time, each once: they are not moved"},
		{kind: "ban", name: "fail2ban", paths: []string{"/var/lib/fail2ban/fail2ban.sqlite3"}, why: "addresses that are banned now are let in by the other server until it has seen them itself"},
		{kind: "ban", name: "CrowdSec", paths: []string{"/var/lib/crowdsec/data/crowdsec.db"}, why: "addresses that are banned now are let in by the other server until it has seen them itself"},
	}
}

// unknown lists what is on the machine and not understood.
func (w *world) unknown(context.Context) []schema.Unknown {
	r := w.files()
	list := slices.Clone(w.server.System.Unknown)
	for _, s := range signs() {
		if at := r.sign(s); at != "" {
			list = append(list, schema.Unknown{Kind: s.kind, Name: s.name, Path: at, Why: s.why})
		}
	}
	list = append(list, r.remoteMounts()...)
	list = append(list, r.snapshots()...)
	list = append(list, w.rootless()...)
	slices.SortStableFunc(list, func(x, y schema.Unknown) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Path, y.Path))
	})
	return slices.CompactFunc(list, func(x, y schema.Unknown) bool {
		return x.Kind == y.Kind && x.Name == y.Name && x.Why == y.Why && x.Path == y.Path
	})
}

// sign returns where a sign was seen; empty: nowhere.
func (r root) sign(s sign) string {
	for _, g := range s.paths {
		for _, p := range r.glob(g) {
			if p == "/etc/spamassassin/local.cf" && s.has == "" {
				continue
			}
			if s.has == "" {
				return p
			}
			text, _ := r.read(p, smallFile)
			if bytes.Contains(withoutComments(text), []byte(s.has)) {
				return p
			}
		}
	}
	return ""
}

// withoutComments is a text in small letters, without its comments and without
// blanks in front of lines; it begins with the end of a line.
func withoutComments(text []byte) []byte {
	var b bytes.Buffer
	b.WriteByte('\n')
	lines(text, func(_ int, line string) bool {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "//") || strings.HasPrefix(line, ";") {
			return true
		}
		b.WriteString(strings.ToLower(line))
		b.WriteByte('\n')
		return true
	})
	return b.Bytes()
}

// remoteMounts are file systems of other machines: what is in them is not moved
// and may not be reachable from the other server.
func (r root) remoteMounts() (list []schema.Unknown) {
	for _, m := range r.mountTable() {
		if remoteKind(m.kind) && m.kind != "fuse.lxcfs" && !kernelOnly(m.kind) && !under(m.path, "/run/user") && m.kind != "fuse.gvfsd-fuse" && m.kind != "fuse.portal" {
			list = append(list, schema.Unknown{Kind: "mount", Name: m.kind, Path: m.path,
				Why: fmt.Sprintf("%s is a file system of another machine (%s): the other server has to reach it, too, and both must not write to it", m.path, masked(m.device))})
		}
	}
	return list[:min(len(list), 200)]
}

// snapshots are copies that a file system keeps: a reinstallation destroys them.
func (r root) snapshots() (list []schema.Unknown) {
	add := func(name, path, why string) {
		list = append(list, schema.Unknown{Kind: "snapshot", Name: name, Path: path, Why: why})
	}
	const why = "snapshots that are kept here as backups are lost when the machine is reinstalled"
	kinds := map[string]bool{}
	for _, m := range r.mountTable() {
		switch m.kind {
		case "zfs", "btrfs":
			if !kinds[m.kind] {
				kinds[m.kind] = true
				add(map[string]string{"zfs": "ZFS", "btrfs": "Btrfs"}[m.kind], m.path, "the file system can keep snapshots; "+why)
			}
		}
		if snaps := filepath.Join(m.path, ".zfs/snapshot"); m.kind == "zfs" {
			if l, err := r.list(snaps); err == nil && len(l) > 0 {
				add("ZFS snapshots", snaps, why)
			}
		}
	}
	for _, p := range r.glob("/.snapshots/*") {
		add("snapper", p, why)
		break
	}
	for _, p := range r.glob("/etc/lvm/backup/*") {
		if text, err := r.read(p, smallFile); err == nil && bytes.Contains(text, []byte("snapshot_origin")) {
			add("LVM snapshots", p, why)
		}
	}
	for _, p := range append(r.glob("/backup"), r.glob("/var/lib/rsnapshot")...) {
		add("backups on the machine itself", p, "what is kept here as a backup is lost when the machine is reinstalled")
	}
	return list
}

// rootless are containers that accounts run by themselves.
func (w *world) rootless() (list []schema.Unknown) {
	for _, a := range w.accounts {
		found := w.placesOf(a, []string{"{home}/.local/share/docker/containers/*", "{home}/.local/share/containers/storage/overlay-containers/*", "{home}/.local/share/lxc/*/config"})
		if len(found) > 0 && len(list) < 1000 {
			list = append(list, schema.Unknown{Kind: "container", Name: "containers of " + a.Name, Path: filepath.Dir(found[0].path()),
				Why: "the account runs containers: files in them have user ids beyond the account's own (/etc/subuid), which have to be the same on the other server"})
		}
	}
	return list
}
