package ssh_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/linux/ssh"
	"github.com/stopover/stopover/providers/linux/ssh/sshdtest"
)

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func hostKeyError(t *testing.T, tg ssh.Target) *ssh.HostKeyError {
	t.Helper()
	conn, err := ssh.Dial(t.Context(), tg)
	if err == nil {
		_ = conn.Close()
		t.Fatal("it went through")
	}
	var e *ssh.HostKeyError
	if !errors.As(err, &e) || !errors.Is(err, ssh.ErrHostKey) {
		t.Fatalf("%v", err)
	}
	return e
}

func TestHostKeys(t *testing.T) {
	s := sshdtest.Start(t)
	tg := target(t, s)
	at := fmt.Sprintf("[127.0.0.1]:%d", s.Port)
	key := strings.Join(strings.Fields(sshdtest.Read(t, s.HostKey+".pub"))[:2], " ")
	print := fingerprint(t, s.HostKey+".pub")
	other := filepath.Join(t.TempDir(), "other")
	sshdtest.Keygen(t, other, "ed25519", "")
	otherKey := strings.Join(strings.Fields(sshdtest.Read(t, other+".pub"))[:2], " ")
	rsa := filepath.Join(t.TempDir(), "rsa")
	sshdtest.Keygen(t, rsa, "rsa", "")
	rsaKey := strings.Join(strings.Fields(sshdtest.Read(t, rsa+".pub"))[:2], " ")

	t.Run("unknown", func(t *testing.T) {
		known := file(t, "known", "example.org "+key+"\n")
		tg.KnownHosts = []string{known, "/no/such/file"}
		e := hostKeyError(t, tg)
		if e.Problem != ssh.KeyUnknown || e.Fingerprint != print || e.Type != "ssh-ed25519" || e.Add != at+" "+key {
			t.Errorf("%+v", e)
		}
		for _, p := range []string{s.Address(), print, known, "/no/such/file (not there)", at + " " + key, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"} {
			if !strings.Contains(e.Error(), p) {
				t.Errorf("%q is not in %v", p, e)
			}
		}
		// What the error says to do is what helps.
		tg.KnownHosts = []string{file(t, "known", e.Add+"\n")}
		works(t, tg)
	})
	t.Run("changed", func(t *testing.T) {
		known := file(t, "known", "# mine\n\n"+at+" "+otherKey+"\n")
		tg.KnownHosts = []string{known}
		e := hostKeyError(t, tg)
		if e.Problem != ssh.KeyChanged || len(e.Known) != 1 || e.Known[0].Line != 3 || e.Known[0].File != known {
			t.Errorf("%+v", e)
		}
		for _, p := range []string{known + ":3", print, fingerprint(t, other+".pub"), "reinstalled", at + " " + key} {
			if !strings.Contains(e.Error(), p) {
				t.Errorf("%q is not in %v", p, e)
			}
		}
		// A key of another kind is no reason to trust this one.
		tg.KnownHosts = []string{file(t, "known", at+" "+rsaKey+"\n")}
		if e := hostKeyError(t, tg); e.Problem != ssh.KeyChanged {
			t.Errorf("%+v", e)
		}
	})
	t.Run("revoked", func(t *testing.T) {
		tg.KnownHosts = []string{file(t, "known", at+" "+key+"\n@revoked * "+key+"\n")}
		if e := hostKeyError(t, tg); e.Problem != ssh.KeyRevoked || !strings.Contains(e.Error(), ":2 has") {
			t.Errorf("%+v", e)
		}
	})
	t.Run("forms", func(t *testing.T) {
		hashed := file(t, "known", at+" "+key+"\n")
		if out, err := exec.Command("ssh-keygen", "-H", "-f", hashed).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if strings.Contains(sshdtest.Read(t, hashed), "127.0.0.1") {
			t.Fatal("it is not hashed")
		}
		for _, known := range []string{hashed, file(t, "known", "* "+key+"\n"), file(t, "known", "x,"+at+" "+key+" comment\n"),
			file(t, "known", at+" "+otherKey+"\n"+at+" "+key+"\n"), file(t, "known", at+" "+rsaKey+"\n"+at+" "+key+"\n")} {
			tg.KnownHosts = []string{known}
			works(t, tg)
		}
		tg.ConfigFile, tg.KnownHosts = file(t, "config", "HostKeyAlias shop\n"), []string{file(t, "known", "!shop,* "+key+"\n")}
		if e := hostKeyError(t, tg); e.Problem != ssh.KeyUnknown || e.Add != "shop "+key {
			t.Errorf("%+v", e)
		}
		tg.ConfigFile = ssh.None
		broken := file(t, "known", at+" "+key+"\n@revoked nonsense\n")
		tg.KnownHosts = []string{broken}
		refused(t, tg, ssh.ErrSettings, broken+":2", "Mend or remove")
		tg.KnownHosts = []string{t.TempDir()}
		refused(t, tg, ssh.ErrSettings, "is no file")
	})
	t.Run("authority", func(t *testing.T) {
		// The key of an authority is not that of a host, even if one shows it.
		tg.KnownHosts = []string{file(t, "known", "@cert-authority * "+key+"\n")}
		if e := hostKeyError(t, tg); e.Problem != ssh.KeyUnknown {
			t.Errorf("%+v", e)
		}
	})
}

// TestKnownKind: a server with several keys is asked for the one that is known.
func TestKnownKind(t *testing.T) {
	sshdtest.Need(t)
	dir := t.TempDir()
	var lines []string
	for _, kind := range []string{"rsa", "ecdsa"} {
		sshdtest.Keygen(t, filepath.Join(dir, kind), kind, "")
		lines = append(lines, "HostKey "+filepath.Join(dir, kind))
	}
	s := sshdtest.Start(t, lines...)
	for _, pub := range []string{filepath.Join(dir, "rsa.pub"), filepath.Join(dir, "ecdsa.pub"), s.HostKey + ".pub"} {
		tg := target(t, s)
		tg.KnownHosts = []string{file(t, "known", fmt.Sprintf("[127.0.0.1]:%d %s", s.Port, sshdtest.Read(t, pub)))}
		works(t, tg)
	}
}

func TestHostCertificates(t *testing.T) {
	sshdtest.Need(t)
	dir := t.TempDir()
	ca, host := filepath.Join(dir, "ca"), filepath.Join(dir, "host")
	sshdtest.Keygen(t, ca, "ed25519", "")
	sshdtest.Keygen(t, host, "ecdsa", "")
	authority := strings.Join(strings.Fields(sshdtest.Read(t, ca+".pub"))[:2], " ")
	for _, c := range []struct {
		name, line string
		args       []string
		want       ssh.KeyProblem
		why        string
	}{
		{"good", "@cert-authority * " + authority, []string{"-n", "127.0.0.1", "-V", "+1d"}, "", ""},
		{"other name", "@cert-authority * " + authority, []string{"-n", "example.org", "-V", "+1d"}, ssh.KeyCertificate, "principal"},
		{"expired", "@cert-authority * " + authority, []string{"-n", "127.0.0.1", "-V", "-2d:-1d"}, ssh.KeyCertificate, "expired"},
		{"revoked authority", "@cert-authority * " + authority + "\n@revoked * " + authority, []string{"-n", "127.0.0.1", "-V", "+1d"}, ssh.KeyCertificate, "revoked"},
		{"other host's authority", "@cert-authority *.example.org " + authority, []string{"-n", "127.0.0.1", "-V", "+1d"}, ssh.KeyUnknown, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out, err := exec.Command("ssh-keygen", append(append([]string{"-q", "-s", ca, "-h", "-I", "id"}, c.args...), host+".pub")...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			s := sshdtest.Start(t, "HostKey "+host, "HostCertificate "+host+"-cert.pub")
			tg := target(t, s)
			tg.KnownHosts = []string{file(t, "known", c.line+"\n")}
			if c.want == "" {
				works(t, tg)
				return
			}
			if e := hostKeyError(t, tg); e.Problem != c.want || !strings.Contains(e.Error(), c.why) {
				t.Errorf("%+v: %v", e, e)
			}
		})
	}
}
