//go:build linux

package look

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stopover/stopover/schema"
)

// hush is in every secret of these tests.
const hush = "S3cret"

func TestMaskedForms(t *testing.T) {
	for in, want := range map[string]string{
		`mysqldump -p'S3cret' shop`:                             `mysqldump -p(set) shop`,
		`mysqldump -u a -pS3cret shop | gzip`:                   `mysqldump -u a -p(set) shop | gzip`,
		`mysql -e 'a;b' -p"x S3cret" shop`:                      `mysql -e 'a;b' -p(set) shop`,
		`mysqldump -p'S3cret`:                                   `mysqldump -p(set)`,
		`mysql -p shop < a.sql`:                                 `mysql -p shop < a.sql`,
		`mysqldump --password='x S3cret' shop`:                  `mysqldump --password=(set) shop`,
		`mysqldump --password "x S3cret" shop`:                  `mysqldump --password (set) shop`,
		`PGPASSWORD='x S3cret' pg_dump shop`:                    `PGPASSWORD=(set) pg_dump shop`,
		`PGPASSWORD="x \" S3cret" pg_dump shop`:                 `PGPASSWORD=(set) pg_dump shop`,
		`curl --user u:S3cret https://h/`:                       `curl --user u:(set) https://h/`,
		`curl -s -u 'u:x S3cret' https://h/`:                    `curl -s -u 'u:(set)' https://h/`,
		`curl -su u:S3cret https://h/`:                          `curl -su u:(set) https://h/`,
		`sshpass -p S3cret ssh h`:                               `sshpass -p (set) ssh h`,
		`sshpass -p'x S3cret' ssh h`:                            `sshpass -p(set) ssh h`,
		`redis-cli -h h -a S3cret ping`:                         `redis-cli -h h -a (set) ping`,
		`lftp -u u,S3cret ftp.example`:                          `lftp -u u,(set) ftp.example`,
		`wget -q https://h/cron.php?cron_key=S3cret&x=1`:        `wget -q https://h/cron.php?cron_key=(set)&x=1`,
		`https://h/?auth=S3cret`:                                `https://h/?auth=(set)`,
		`tcp://h:6379?auth=S3cret`:                              `tcp://h:6379?auth=(set)`,
		`curl -H 'Authorization: Token S3cret' h`:               `curl -H 'Authorization: Token (set)' h`,
		`curl -H "Authorization: Bearer S3cret" h`:              `curl -H "Authorization: Bearer (set)" h`,
		`curl -H "Authorization: Basic S3cret==" h`:             `curl -H "Authorization: Basic (set)" h`,
		`curl -H 'X-Api-Key: S3cret' h`:                         `curl -H 'X-Api-Key: (set)' h`,
		`postgres://u:a/S3cret@b@h/d`:                           `postgres://u:(set)@h/d`,
		`DB_PASS='x S3cret' ./run`:                              `DB_PASS=(set) ./run`,
		`DB_PASSWD=S3cret ./run`:                                `DB_PASSWD=(set) ./run`,
		`APP_SECRET="x S3cret" ./run`:                           `APP_SECRET=(set) ./run`,
		`GH_TOKEN=S3cret ./run`:                                 `GH_TOKEN=(set) ./run`,
		`STRIPE_KEY=S3cret ./run`:                               `STRIPE_KEY=(set) ./run`,
		`AWS_KEY_ID=S3cret ./run`:                               `AWS_KEY_ID=(set) ./run`,
		`SMTP_AUTH=S3cret ./run`:                                `SMTP_AUTH=(set) ./run`,
		`MY_CREDENTIALS='S3cret' ./run`:                         `MY_CREDENTIALS=(set) ./run`,
		`'password' => 'x S3cret', 'port' => 1`:                 `'password' => (set), 'port' => 1`,
		`define('DB_PASSWORD', 'S3cret');`:                      `define('DB_PASSWORD', (set));`,
		`command="PGPASSWORD=\"x S3cret\" run",no-pty`:          `command="PGPASSWORD=(set) run",no-pty`,
		`command="mysqldump -p'S3cret' shop",from="10.0.0.1"`:   `command="mysqldump -p(set) shop",from="10.0.0.1"`,
		`command="run --token=S3cret",from="10.0.0.1",no-pty`:   `command="run --token=(set)",from="10.0.0.1",no-pty`,
		`git pull https://ghp_S3cret0123456789abcd@h/r`:         `git pull https://(set)@h/r`,
		`restic --password-file /etc/restic.pw backup`:          `restic --password-file /etc/restic.pw backup`,
		`tool --tls-key=/etc/ssl/private.key --port=1`:          `tool --tls-key=/etc/ssl/private.key --port=1`,
		`http://127.0.0.1:3000/x`:                               `http://127.0.0.1:3000/x`,
		`php /home/a/artisan schedule:run >> /dev/null 2>&1`:    `php /home/a/artisan schedule:run >> /dev/null 2>&1`,
		`ssh -o PasswordAuthentication=no -i /home/a/k h`:       `ssh -o PasswordAuthentication=no -i /home/a/k h`,
		`find /home/a -name '*.tmp' -mtime +1 -print -delete`:   `find /home/a -name '*.tmp' -mtime +1 -print -delete`,
		`rsync -p -a /home/a/ b:/x; curl -u u:S3cret h; exit 0`: `rsync -p -a /home/a/ b:/x; curl -u u:(set) h; exit 0`,
	} {
		got := masked(in)
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
		if again := masked(got); again != got {
			t.Errorf("%s: masked again: %s", got, again)
		}
	}
}

func TestSecretsOfSettings(t *testing.T) {
	s := &settings{r: "/nonexistent"}
	s.text("/etc/apache2/conf-enabled/a.conf", []byte("SetEnv DB_PASSWORD S3cret\nSetEnv APP_ENV prod\nDefine api_token S3cret\nHeader always set X-Frame-Options DENY\n"+
		"RequestHeader set Authorization \"Bearer S3cret\"\nPassEnv DB_PASS LANG\nSetEnv MAIL smtp://u:S3cret@h\n"))
	s.text("/etc/nginx/nginx.conf", []byte("http { fastcgi_param DB_PASS S3cret; fastcgi_param APP_ENV prod; set $api_key S3cret; proxy_set_header Authorization \"Basic S3cret\"; proxy_set_header Host $host;\n"+
		"if ($http_x_token = \"S3cret\") { return 200; } }\n"))
	got := map[string]string{}
	for _, x := range s.list {
		got[x.Key] = x.Value
		if strings.Contains(x.Key+x.Value, hush) {
			t.Errorf("told: %+v", x)
		}
	}
	for key, want := range map[string]string{
		"SetEnv/DB_PASSWORD": secretIsSet, "SetEnv/APP_ENV": "prod", "Define/api_token": secretIsSet, "Header/always set X-Frame-Options": "DENY",
		"RequestHeader/set Authorization": secretIsSet, "SetEnv/MAIL": "smtp://u:(set)@h",
		"http/fastcgi_param/DB_PASS": secretIsSet, "http/fastcgi_param/APP_ENV": "prod", "http/set/$api_key": secretIsSet,
		"http/proxy_set_header/Authorization": secretIsSet, "http/proxy_set_header/Host": "$host",
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q (of %v)", key, got[key], want, got)
		}
	}
}

func TestSecretsSQLMode(t *testing.T) {
	for in, want := range map[string]string{
		`sql_mode='ANSI,TRADITIONAL'", "u", "S3cret");`:    `sql_mode='ANSI,TRADITIONAL'`,
		`sql_mode = \"\"", ["password" => "S3cret"]`:       `sql_mode = \"\"`,
		`sql_mode' => 'S3cret!'`:                           `sql_mode`,
		`sql_mode; password: S3cret`:                       `sql_mode`,
		`sql_mode="); new PDO("mysql:host=h","u","S3cret"`: `sql_mode`,
		`sql_mode=ANSI S3cret`:                             `sql_mode=ANSI`,
		`sql_mode=concat(@@sql_mode,',ANSI'); S3cret`:      `sql_mode=concat(@@sql_mode,',ANSI')`,
		`sql_mode = '' where password='S3cret'`:            `sql_mode = ''`,
	} {
		if got := sqlModeValue.FindString(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// TestMaskConceal: whatever part put a secret into a list, it does not leave.
func TestMaskConceal(t *testing.T) {
	const c = "PGPASSWORD='x S3cret' run a"
	a := concealAccount(&schema.FoundAccount{
		User: &schema.User{Keys: []schema.Key{{Options: `command="` + c + `"`}}}, Sites: []schema.Site{{Pass: "http://u:S3cret@h:1"}},
		Services: []schema.Service{{Command: c}}, Timers: []schema.Timer{{Command: c + strings.Repeat(" b", 4000)}}, Pools: []schema.Pool{{Settings: map[string]string{"env[DB_PASS]": hush, "pm": "static"}}},
		Lines:        []schema.Line{{What: c, Note: "tcp://h:6379?auth=S3cret"}},
		Environments: []schema.Environment{{Version: "git+https://u:S3cret@h/x"}}, Findings: []schema.Finding{{Summary: "passes to http://u:S3cret@h"}},
	})
	s := &schema.FoundServer{System: &schema.System{
		Daemons: []schema.Service{{Command: c}}, Settings: []schema.Setting{{Key: c, Value: c}}, Mounts: []schema.Mount{{Options: "rw,password=S3cret,uid=5"}},
		PHP: []schema.PHP{{Settings: map[string]string{"session.save_path": "tcp://h:6379?auth=S3cret"}}}, Engines: []schema.Engine{{Settings: map[string]string{"x": "http://u:S3cret@h"}}},
	}}
	concealServer(s)
	b, err := json.Marshal([]any{a, s})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), hush) {
		t.Errorf("told: %s", b)
	}
	if n := len(a.Timers[0].Command); n > maxCommand || !strings.HasSuffix(a.Timers[0].Command, "…") {
		t.Errorf("a command of %d bytes", n)
	}
	if a.Pools[0].Settings["pm"] != "static" || a.Services[0].Command != "PGPASSWORD=(set) run a" || s.System.Mounts[0].Options != "rw,password=(set),uid=5" || a.Sites[0].Pass != "http://u:(set)@h:1" {
		t.Errorf("the rest is gone: %s", b)
	}
}

// TestMaskedStays puts the pieces of commands together by chance: nothing fails,
// and what is masked stays.
func TestMaskedStays(t *testing.T) {
	pieces := []string{"mysql", "curl", "-p", "-u", "u:", " ", " ", "'", `"`, `\`, "=", ":", "://", "@", "password", "--token", "KEY", "Authorization", "Bearer", "(set)", ";", "|", "&", ",", "x", "\xff", "\n", "é", "/etc/x", "lftp", "…", "auth", "=>", "bearer "}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var b strings.Builder
		for range r.IntN(14) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		once := masked(b.String())
		if again := masked(once); again != once {
			t.Fatalf("%q: %q, then %q", b.String(), once, again)
		}
	}
}

func TestSecretsOfRoles(t *testing.T) {
	for in, want := range map[string]string{"app.jwt_secret=S3cret": "app.jwt_secret=(set)", "search_path=shop, public": "search_path=shop, public", "work_mem=64MB": "work_mem=64MB", "app.url=http://u:S3cret@h": "app.url=http://u:(set)@h"} {
		if got := roleSetting(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzMasked(f *testing.F) {
	for _, s := range []string{`mysql -p'x`, `curl -u "a:b`, `A_KEY=\"x`, "://a:b@c@d", strings.Repeat("password=", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := masked(s)
		if again := masked(once); again != once {
			t.Errorf("%q: %q, then %q", s, once, again)
		}
		if n := len(command(s)); n > maxCommand {
			t.Errorf("a command of %d bytes", n)
		}
	})
}
