//go:build linux

package look

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

func TestDumpTmp(t *testing.T) {
	m := &Machine{}
	s, err := m.Look(context.Background(), agent.LookRequest{Layout: schema.Layout{Homes: []string{"/home/*"}, MailQueue: []string{"/var/spool/exim4/input"}, Settings: []string{"/etc/nginx/nginx.conf","/etc/apache2/apache2.conf","/etc/apache2/mods-enabled/*.conf","/etc/php/*/fpm/php.ini","/etc/mysql/mariadb.conf.d/*.cnf","/etc/postgresql/*/*/*.conf","/etc/dovecot/*.conf","/etc/dovecot/conf.d/*.conf","/etc/ssh/sshd_config","/etc/exim4/update-exim4.conf.conf","/etc/security/limits.conf"}, Nginx: []string{"/etc/nginx/sites-enabled/*"}, Crontabs: []string{"/var/spool/cron/crontabs/{account}", "/etc/crontab", "/etc/cron.d/*"},Units: []string{"/etc/systemd/system/*.service"}}}, func(*schema.FoundAccount) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.System.Libraries = s.System.Libraries[:3]
	s.System.Packages = s.System.Packages[:3]
	s.System.Users = s.System.Users[:3]
	s.System.Groups = nil
	s.System.Programs=nil
	for _, x := range s.System.Settings { t.Logf("%s | %s | %s | %s:%d", x.Service, x.Key, x.Value, x.File, x.Line) }
	s.System.Settings=nil
	s.System.PHP=nil
	b, _ := json.MarshalIndent(s, "", " ")
	t.Log(string(b))
}
