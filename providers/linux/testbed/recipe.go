//go:build linux

package testbed

import (
	"os"
	"path/filepath"
	"strconv"
)

const rootPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// packages are what every root has beyond a minimal Debian. There is no
// compiler: a target that lacks one is the usual case.
var packages = []string{
	"openssh-server", "openssh-client", "sudo", "cron", "rsync", "procps", "iproute2", "nftables", "quota", "acl", "attr", "zstd",
	"mariadb-server", "mariadb-client", "postgresql",
	"dovecot-imapd", "dovecot-pop3d", "dovecot-lmtpd", "dovecot-sieve", "dovecot-managesieved", "exim4-daemon-light",
	"nginx-light", "apache2", "php-fpm", "php-cli", "php-mysql", "php-pgsql",
	"python3", "python3-venv", "openssl", "curl", "ca-certificates",
}

// file is a file of a root or of a host.
type file struct {
	path, text string
	mode       os.FileMode
}

func (f file) write(root string) error {
	p := filepath.Join(root, f.path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(p, []byte(f.text), f.mode); err != nil {
		return err
	}
	return os.Chmod(p, f.mode)
}

const preseed = "locales locales/locales_to_be_generated multiselect en_US.UTF-8 UTF-8, fr_FR.UTF-8 UTF-8\n" +
	"locales locales/default_environment_locale select en_US.UTF-8\n"

// rootFiles are there before the packages: MariaDB makes its data directory
// at installation, and a host copies up what its daemons write. A small redo
// log is why a host starts in a second.
var rootFiles = []file{
	{path: "/etc/dpkg/dpkg.cfg.d/testbed", text: "force-unsafe-io\n", mode: 0o644},
	{path: "/etc/apt/apt.conf.d/90testbed", text: "APT::Install-Recommends \"false\";\nAcquire::Languages \"none\";\n", mode: 0o644},
	{path: "/etc/mysql/mariadb.conf.d/90-testbed.cnf", text: "[mysqld]\nbind-address=*\ninnodb_log_file_size=8M\ninnodb_buffer_pool_size=" + strconv.Itoa(32<<20) + "\n", mode: 0o644},
}

// afterInstall makes the daemons of a root speak to a network nobody else
// reaches. It runs inside the root, once.
const afterInstall = `
update-locale LANG=en_US.UTF-8
rm -f /etc/ssh/ssh_host_*
cat > /etc/ssh/sshd_config.d/testbed.conf <<X
PermitRootLogin prohibit-password
PasswordAuthentication yes
MaxStartups 100:30:200
X
for d in /etc/postgresql/*/main; do
cat > $d/conf.d/testbed.conf <<X
listen_addresses = '*'
shared_buffers = 24MB
X
cat >> $d/pg_hba.conf <<X
host all all 10.77.0.0/16 scram-sha-256
host all all fd00:77::/32 scram-sha-256
host replication all 10.77.0.0/16 scram-sha-256
X
done
if grep -q '^dovecot_config_version' /etc/dovecot/dovecot.conf; then
cat > /etc/dovecot/local.conf <<X
mail_driver = maildir
mail_path = ~/Maildir
mail_inbox_path = ~/Maildir
auth_allow_cleartext = yes
X
else
cat > /etc/dovecot/local.conf <<X
mail_location = maildir:~/Maildir
disable_plaintext_auth = no
X
fi
sed -i -e "s/^dc_eximconfig_configtype=.*/dc_eximconfig_configtype='internet'/" \
 -e "s/^dc_local_interfaces=.*/dc_local_interfaces=''/" \
 -e "s/^dc_localdelivery=.*/dc_localdelivery='maildir_home'/" /etc/exim4/update-exim4.conf.conf
sed -i 's/^Listen 80$/Listen 8080/' /etc/apache2/ports.conf
sed -i 's/[*]:80>/*:8080>/' /etc/apache2/sites-available/000-default.conf
a2enmod -q proxy_fcgi setenvif rewrite
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/*.log /var/log/apt /var/log/exim4/* /var/log/mysql/*
: > /etc/machine-id
: > /etc/resolv.conf
echo localhost > /etc/hostname
`
