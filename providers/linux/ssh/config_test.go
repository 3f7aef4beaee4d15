package ssh_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux/ssh"
	"github.com/stopover/stopover/providers/linux/ssh/sshdtest"
)

func TestConfig(t *testing.T) {
	s := sshdtest.Start(t)
	own := sshdtest.Start(t) // another server, for explicit settings
	known := s.Known(t)
	base := fmt.Sprintf("HostName 127.0.0.1\n Port %d\n User root\n IdentityFile %s\n UserKnownHostsFile %s\n IdentityAgent none\n", s.Port, s.UserKey, known)
	with := func(text string) ssh.Target {
		return ssh.Target{Host: "shop", ConfigFile: file(t, "config", text)}
	}
	works(t, with("Host shop\n "+base))
	works(t, with("Host other\n User nobody\nHost sh*\n "+base))
	works(t, with("# all\n"+base))
	works(t, with("Match all\n "+base))
	works(t, with("Host shop\n "+base+"\nHost *\n Port 1\n User nobody\n Compression yes\n ForwardAgent yes\n"))
	works(t, with("Include "+file(t, "included", "Host shop\n "+base)+"\n"))
	works(t, with("Host shop\n "+strings.Replace(base, s.UserKey, `"`+s.UserKey+`"`, 1)))
	works(t, with("Host shop\n StrictHostKeyChecking no\n ProxyCommand none\n Ciphers aes256-gcm@openssh.com,nonsense\n KexAlgorithms -nonsense*\n MACs ^hmac-sha2-512\n HostKeyAlgorithms +ssh-rsa\n "+base))
	works(t, with("Host shop\n HostKeyAlias the-shop\n "+strings.Replace(base, known,
		file(t, "known", "the-shop "+sshdtest.Read(t, s.HostKey+".pub")), 1)))
	works(t, with("Host shop\n "+strings.Replace(base, known, "/no/such "+known, 1)))

	// What is said explicitly wins.
	tg := with("Host 127.0.0.1\n " + base)
	tg.Host, tg.Port, tg.KnownHosts, tg.IdentityFiles = "127.0.0.1", own.Port, []string{own.Known(t)}, []string{own.UserKey}
	works(t, tg)
	tg = with("Host shop\n User nobody\n ConnectTimeout 1\n ServerAliveInterval 1\n ServerAliveCountMax 2\n " + base)
	tg.User = "root"
	works(t, tg)

	// StrictHostKeyChecking no does not make strangers known.
	e := hostKeyError(t, with("Host shop\n StrictHostKeyChecking no\n "+strings.Replace(base, known, "/dev/null", 1)))
	if e.Problem != ssh.KeyUnknown {
		t.Errorf("%+v", e)
	}
	for _, text := range []string{"ProxyCommand nc %h %p", "KnownHostsCommand /bin/true", "RevokedHostKeys /x", "PKCS11Provider /x.so", "CanonicalizeHostname yes",
		"RequiredRSASize 4096", "BindAddress 10.0.0.1", "CASignatureAlgorithms ssh-ed25519", "PubkeyAcceptedAlgorithms ssh-ed25519"} {
		word, _, _ := strings.Cut(text, " ")
		refused(t, with("Host shop\n "+text+"\n "+base), ssh.ErrSettings, word, "shop")
		works(t, with("Host other\n "+text+"\nHost shop\n "+base))
	}
	works(t, with("Host shop\n PubkeyAcceptedAlgorithms +ssh-rsa\n "+base))
	refused(t, with("Match exec \"true\"\n "+base), ssh.ErrSettings, "Match", ssh.None)
	refused(t, with("Match user x\n "+base), ssh.ErrSettings, "Match")
	refused(t, with("Match host 127.0.0.1\n ForwardX11 no\nHost shop\n "+base), ssh.ErrSettings, "Match host 127.0.0.1")
	refused(t, with("Host shop\n Port none\n"), ssh.ErrSettings, "port")
	refused(t, with("Host shop\n Ciphers nonsense\n "+base), ssh.ErrSettings, "Ciphers")
	refused(t, with("Host shop\n PubkeyAuthentication no\n "+base), ssh.ErrAuth, "PubkeyAuthentication is off")
	refused(t, with("Host shop\n ConnectTimeout soon\n "+base), ssh.ErrSettings, "ConnectTimeout")
	refused(t, with("Host shop\n "+strings.Replace(base, s.UserKey, "~/%Q", 1)), ssh.ErrSettings, "%Q")
	tg = with("Host shop\n " + base)
	if err := os.Chmod(tg.ConfigFile, 0o666); err != nil {
		t.Fatal(err)
	}
	refused(t, tg, ssh.ErrSettings, "written by others")
	tg.ConfigFile = "/no/such/config"
	refused(t, tg, ssh.ErrSettings, "/no/such/config")
}

func TestProxyJump(t *testing.T) {
	first, second, last := sshdtest.Start(t), sshdtest.Start(t), sshdtest.Start(t)
	block := func(name string, s *sshdtest.Server, more string) string {
		return fmt.Sprintf("Host %s\n HostName 127.0.0.1\n Port %d\n User root\n IdentityFile %s\n UserKnownHostsFile %s\n IdentityAgent none\n %s\n", name, s.Port, s.UserKey, s.Known(t), more)
	}
	go_ := func(text string) ssh.Target {
		return ssh.Target{Host: "last", ConfigFile: file(t, "config", text)}
	}
	// Who opened the last connection tells which way it came.
	came := func(s *sshdtest.Server, n int) {
		t.Helper()
		if got := strings.Count(s.Log(), "Starting session: command"); got != 0 && s != last {
			t.Errorf("a hop was used for more than the way")
		}
		if got := strings.Count(s.Log(), "Accepted publickey"); got != n {
			t.Errorf("%d logins, want %d", got, n)
		}
	}
	works(t, go_(block("a", first, "")+block("b", second, "")+block("last", last, "ProxyJump a,b")))
	came(first, 1)
	came(second, 1)
	works(t, go_(block("a", first, "")+block("b", second, "ProxyJump a")+block("last", last, "ProxyJump b")))
	came(first, 2)
	came(second, 2)
	tg := go_(block("a", first, "") + block("b", second, "") + block("last", last, "ProxyJump a,b"))
	tg.ProxyJump = ssh.None
	works(t, tg)
	tg.ProxyJump = "b"
	works(t, tg)
	came(first, 2)
	came(second, 3)
	tg.ProxyJump = fmt.Sprintf("ssh://root@127.0.0.1:%d", second.Port)
	tg.ConfigFile = file(t, "config", block("127.0.0.1", second, "")+block("last", last, ""))
	works(t, tg)

	// Every hop is verified: an unknown one on the way is refused by its name.
	strange := strings.Replace(block("b", second, ""), second.Known(t), "/dev/null", 1)
	refused(t, go_(block("a", first, "")+strange+block("last", last, "ProxyJump a,b")), ssh.ErrHostKey, "through "+first.Address(), second.Address())
	refused(t, go_(strings.Replace(block("a", first, ""), first.UserKey, "/no/key", 1)+block("last", last, "ProxyJump a")), ssh.ErrAuth, first.Address())
	refused(t, go_(block("a", first, "ProxyJump last")+block("last", last, "ProxyJump a")), ssh.ErrSettings, "circle")
	refused(t, go_(block("last", last, "ProxyJump a:x")), ssh.ErrSettings, "port")
	dead := sshdtest.FreePort(t)
	tg = go_(block("a", first, "") + strings.Replace(block("last", last, "ProxyJump a"), fmt.Sprint(last.Port), fmt.Sprint(dead), 1))
	tg.Timeout = 5 * time.Second
	refused(t, tg, providers.ErrUnreachable, fmt.Sprintf("127.0.0.1:%d", dead), "through "+first.Address())
	// The secret of a server is not for those on the way.
	t.Setenv("STOPOVER_TEST_RIGHT", password)
	tg = go_(strings.Replace(block("a", first, ""), first.UserKey, "/no/key", 1) + block("last", last, "ProxyJump a"))
	tg.Password = "env:STOPOVER_TEST_RIGHT"
	conn, err := ssh.Dial(t.Context(), tg)
	if err == nil {
		_ = conn.Close()
	}
	if err == nil || strings.Contains(err.Error(), "password,") || strings.Contains(first.Log(), "Failed password") {
		t.Errorf("%v", err)
	}
}
