layout "debian" {
  doc = "Debian and its kin as their packages lay things out: every account is a user of the system with a home in /home."

  # Who is an account: users of the system, as adduser makes them.
  homes   = ["/home/*"]
  min_uid = 1000
  max_uid = 59999
  exclude = ["nobody", "nogroup"]

  # Mailboxes of the account's own user. For virtual ones see "debian-vmail".
  mail       = ["{home}/Maildir"]
  mail_users = []
  mail_logs  = ["/var/log/mail.log", "/var/log/mail.log.1", "/var/log/dovecot.log", "/var/log/dovecot-info.log"]
  mail_queue = ["/var/spool/exim4/input", "/var/spool/postfix/active", "/var/spool/postfix/deferred", "/var/spool/postfix/hold", "/var/spool/postfix/incoming"]

  # Sites, what they are run by, and their certificates.
  nginx        = ["/etc/nginx/sites-enabled/*", "/etc/nginx/conf.d/*.conf"]
  apache       = ["/etc/apache2/sites-enabled/*.conf"]
  pools        = ["/etc/php/*/fpm/pool.d/*.conf"]
  certificates = ["/etc/letsencrypt/live/*/fullchain.pem"]
  renewals     = ["/etc/letsencrypt/renewal/*.conf", "/etc/dehydrated/config", "{home}/.acme.sh/*/*.conf", "/root/.acme.sh/*/*.conf"]

  # What runs without anybody asking.
  crontabs = ["/var/spool/cron/crontabs/{account}", "/etc/crontab", "/etc/cron.d/*"]
  units = [
    "/etc/systemd/system/*.service",
    "/etc/systemd/system/*.timer",
    "{home}/.config/systemd/user/*.service",
    "{home}/.config/systemd/user/*.timer",
  ]

  # Who may log in.
  keys      = ["{home}/.ssh/authorized_keys", "{home}/.ssh/authorized_keys2"]
  ftp_users = ["/etc/proftpd/ftpd.passwd", "/etc/pure-ftpd/pureftpd.passwd"]

  backups = ["/var/backups/{account}/*", "/var/backups/{account}-*", "/var/backups/{account}.*"]

  # Whose a database is: shop and shop_… belong to shop.
  databases      = ["{account}", "{account}_*"]
  database_users = ["{account}", "{account}_*"]
  mariadb        = ["/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"]
  postgresql     = ["/run/postgresql", "/var/run/postgresql"]
  postgres_user  = "postgres"

  # What two servers are compared by.
  settings = [
    "/etc/nginx/nginx.conf",
    "/etc/nginx/conf.d/*.conf",
    "/etc/apache2/apache2.conf",
    "/etc/apache2/ports.conf",
    "/etc/apache2/conf-enabled/*.conf",
    "/etc/apache2/mods-enabled/*.conf",
    "/etc/php/*/fpm/php.ini",
    "/etc/php/*/fpm/php-fpm.conf",
    "/etc/php/*/fpm/conf.d/*.ini",
    "/etc/mysql/my.cnf",
    "/etc/mysql/conf.d/*.cnf",
    "/etc/mysql/mariadb.conf.d/*.cnf",
    "/etc/postgresql/*/*/postgresql.conf",
    "/etc/postgresql/*/*/pg_hba.conf",
    "/etc/dovecot/dovecot.conf",
    "/etc/dovecot/local.conf",
    "/etc/dovecot/conf.d/*.conf",
    "/etc/exim4/update-exim4.conf.conf",
    "/etc/exim4/exim4.conf.template",
    "/etc/exim4/conf.d/*/*",
    "/etc/postfix/main.cf",
    "/etc/postfix/master.cf",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d/*.conf",
    "/etc/sysctl.conf",
    "/etc/sysctl.d/*.conf",
    "/etc/security/limits.conf",
    "/etc/security/limits.d/*.conf",
  ]

  # Where things lie that no package put there. What of it belongs to no account
  # is lost when the server is reinstalled, unless the configuration says
  # otherwise.
  residue = [
    "/home",
    "/opt",
    "/root",
    "/srv",
    "/usr/local",
    "/var/www",
    "/var/vmail",
    "/var/mail",
    "/var/spool/cron/crontabs",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.monthly",
    "/etc/cron.weekly",
    "/etc/systemd/system",
    "/etc/nginx",
    "/etc/apache2",
    "/etc/php",
  ]
  ignore = [
    "/home/lost+found",
    "/root/.bashrc",
    "/root/.profile",
    "/root/.bash_history",
    "/root/.cache",
    "/root/.ssh",
    "/var/www/html/index.html",
    "/var/www/html/index.nginx-debian.html",
    "/var/mail/root",
    "/etc/cron.*/.placeholder",
    "/etc/systemd/system/*.wants",
    "/etc/systemd/system/*.requires",
    "/etc/systemd/system/dbus-org.*",
  ]
}
