package hclfile

// layoutBlock says where things are on a server.
func layoutBlock() *Block {
	return &Block{
		Name:  "layout",
		Label: "name",
		Doc: "Where things are on a server, and how they belong to an account, for providers that look at whole machines. In paths `{account}` stands for the name of an account, `{home}` for its home, " +
			"`{domain}` and `{user}` for the parts of an address of mail; `*`, `?` and `[…]` match as in a shell, within one directory. A path with none of these names belongs to the server. " +
			"`stopover init --print-layout NAME` prints a built-in one to start from.",
		Example: `layout "ours" {
  like  = "debian"
  homes = ["/srv/customers/*"]
  mail  = ["/srv/mail/{domain}/{user}"]
}`,
		Attrs: append(layoutAccountAttrs(), append(layoutServiceAttrs(), layoutServerAttrs()...)...),
	}
}

// paths is the declaration of a list of paths.
func paths(name, example, doc string) Attr {
	return Attr{Name: name, Type: TypeStrings, Default: "none, or as in `like`", Example: name + " = " + example, Doc: doc}
}

func layoutAccountAttrs() []Attr {
	return []Attr{
		{Name: "like", Type: TypeString, Example: `like = "debian"`,
			Doc: "Another layout, a built-in one or one of this configuration, that says what this one leaves out. A list that is written here takes the place of the whole list there."},
		{Name: "doc", Type: TypeString, Example: `doc = "Our servers since 2019."`, Doc: "What people read."},
		{Name: "homes", Type: TypeStrings, Default: "as in `like`; required without it", Example: `homes = ["/home/*"]`,
			Doc: "Where accounts have their homes. A user of the system whose home fits and whose uid is in the range is an account."},
		{Name: "min_uid", Type: TypeNumber, Default: "1000, or as in `like`", Example: `min_uid = 1000`, Doc: "Lowest uid of an account, from 0 to 4294967293."},
		{Name: "max_uid", Type: TypeNumber, Default: "59999, or as in `like`", Example: `max_uid = 59999`, Doc: "Highest uid of an account, from 0 to 4294967293."},
		paths("exclude", `["backup", "deploy-*"]`, "Patterns of names of users that are no accounts all the same."),
		paths("keys", `["{home}/.ssh/authorized_keys"]`, "Files of keys that may log in."),
		paths("ftp_users", `["/etc/proftpd/ftpd.passwd"]`, "Files of users that may log in by FTP, in the form of /etc/passwd."),
		paths("backups", `["/var/backups/{account}/*"]`, "Backups of accounts; the newest one counts."),
	}
}

func layoutServiceAttrs() []Attr {
	return []Attr{
		paths("mail", `["{home}/Maildir", "/var/vmail/{domain}/{user}"]`, "Mailboxes, in the form of Maildir. With `{domain}` and `{user}` they are those of virtual users."),
		paths("mail_users", `["/etc/dovecot/users"]`, "Files of virtual users of mail, in the form of Dovecot's passwd-file."),
		paths("mail_logs", `["/var/log/mail.log"]`, "Logs of the mail servers: who still uses them without encryption."),
		paths("mail_queue", `["/var/spool/exim4/input"]`, "Directories of messages that wait to be delivered."),
		paths("nginx", `["/etc/nginx/sites-enabled/*"]`, "Files with the `server` blocks of nginx."),
		paths("apache", `["/etc/apache2/sites-enabled/*.conf"]`, "Files with the virtual hosts of Apache."),
		paths("pools", `["/etc/php/*/fpm/pool.d/*.conf"]`, "Files with the pools of PHP-FPM."),
		paths("certificates", `["/etc/letsencrypt/live/*/fullchain.pem"]`, "Certificates, besides those that sites name."),
		paths("renewals", `["/etc/letsencrypt/renewal/*.conf"]`, "Settings of programs that renew certificates."),
		paths("crontabs", `["/var/spool/cron/crontabs/{account}", "/etc/cron.d/*"]`, "Crontabs. Those that are not an account's own have a column that names the user."),
		paths("units", `["/etc/systemd/system/*.service"]`, "Services and timers of systemd that no package put there."),
		paths("databases", `["{account}", "{account}_*"]`, "Names of the databases that belong to an account; the longest name of an account that fits wins. What fits none belongs to the account whose user alone has rights on it."),
		paths("database_users", `["{account}", "{account}_*"]`, "The same, for users and roles of database engines."),
	}
}

func layoutServerAttrs() []Attr {
	return []Attr{
		paths("mariadb", `["/run/mysqld/mysqld.sock"]`, "Sockets of MariaDB or MySQL; the first that is there counts."),
		paths("postgresql", `["/run/postgresql"]`, "Directories with the socket of PostgreSQL; the first that is there counts."),
		{Name: "postgres_user", Type: TypeString, Default: `"postgres"`, Example: `postgres_user = "postgres"`,
			Doc: "User of the system that may do everything in PostgreSQL. The agent asks as this one, unless the server has a user of its own for it."},
		paths("settings", `["/etc/nginx/nginx.conf"]`, "Files of the server's own configuration, by which two servers are compared."),
		paths("residue", `["/opt", "/usr/local"]`, "Places where things lie that no package put there: what is found in them and belongs to no account is residue."),
		paths("ignore", `["/opt/monitoring"]`, "Patterns of paths that are no residue. What lies below such a path is none either."),
	}
}
