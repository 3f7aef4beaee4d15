package ssh_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stopover/stopover/providers/linux/ssh"
	"github.com/stopover/stopover/providers/linux/ssh/sshdtest"
)

const password = "pass word'!$(id)\\n-Zq7"

var users = []sshdtest.User{
	{Name: "free", Shell: "/bin/bash"},
	{Name: "asked", Password: password, Shell: "/bin/bash"},
	{Name: "lectured", Password: password, Shell: "/bin/dash"},
	{Name: "barred", Password: password, Shell: "/bin/bash"},
	{Name: "narrow", Shell: "/bin/bash"},
	{Name: "tty", Shell: "/bin/bash"},
	{Name: "pty", Password: password, Shell: "/bin/bash"},
}

const sudoers = `
Defaults timestamp_timeout=0, lecture=never, passwd_tries=3
Defaults:lectured lecture=always
Defaults:tty requiretty
Defaults:pty use_pty
free ALL=(ALL) NOPASSWD: ALL
tty ALL=(ALL) NOPASSWD: ALL
asked ALL=(ALL) ALL
lectured ALL=(ALL) ALL
pty ALL=(ALL) ALL
narrow ALL=(ALL) NOPASSWD: /usr/bin/uptime
`

func as(t testing.TB, s *sshdtest.Server, user string, secret ssh.Secret) ssh.Target {
	tg := target(t, s)
	tg.User, tg.Sudo, tg.SudoPassword = user, true, secret
	return tg
}

func TestSudo(t *testing.T) {
	s := sshdtest.StartWithUsers(t, users, sudoers)
	t.Setenv("STOPOVER_TEST_RIGHT", password)
	t.Setenv("STOPOVER_TEST_WRONG", "wrong-"+password)
	const right, wrong = ssh.Secret("env:STOPOVER_TEST_RIGHT"), ssh.Secret("env:STOPOVER_TEST_WRONG")
	for _, c := range []struct {
		user    string
		secret  ssh.Secret
		problem ssh.SudoProblem
	}{
		{"root", "", ""}, {"root", right, ""},
		{"free", "", ""}, {"free", right, ""},
		{"asked", right, ""}, {"lectured", right, ""}, {"pty", right, ""},
		{"asked", "", ssh.SudoPassword},
		{"asked", wrong, ssh.SudoWrong},
		{"barred", right, ssh.SudoForbidden},
		{"narrow", "", ssh.SudoPassword},
		{"tty", "", ssh.SudoTerminal},
	} {
		t.Run(c.user+" "+string(c.secret), func(t *testing.T) {
			conn := open(t, as(t, s, c.user, c.secret))
			out, err := conn.Run(t.Context(), []string{"sh", "-c", `id -u; printf %s "$1"; cat`, "sh", "it's !x\n"}, strings.NewReader("from stdin\x00\xff"))
			if c.problem == "" {
				if err != nil || string(out.Stdout) != "0\nit's !x\nfrom stdin\x00\xff" || strings.Contains(string(out.Stderr), "Zq7") {
					t.Fatalf("%+v, %v", out, err)
				}
				return
			}
			var problem *ssh.SudoError
			if !errors.As(err, &problem) || problem.Problem != c.problem || !errors.Is(err, ssh.ErrSudo) {
				t.Fatalf("%v", err)
			}
			for _, part := range []string{c.user, s.Address()} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in %v", part, err)
				}
			}
			if strings.Contains(err.Error(), "Zq7") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

func TestSudoStream(t *testing.T) {
	s := sshdtest.StartWithUsers(t, users, sudoers)
	t.Setenv("STOPOVER_TEST_RIGHT", password)
	for _, user := range []string{"asked", "pty"} {
		conn := open(t, as(t, s, user, "env:STOPOVER_TEST_RIGHT"))
		st, err := conn.Start(t.Context(), []string{"cat"})
		if err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat([]byte("\x00\x03\x04\r\n\xff"), 1<<18) // what a terminal would change
		go func() { _, _ = st.Write(data) }()
		got := make([]byte, len(data))
		if _, err := io.ReadFull(st, got); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: the stream is changed, %v", user, err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSecretsStayHidden watches every process of the machine while passwords
// open a login and sudo.
func TestSecretsStayHidden(t *testing.T) {
	s := sshdtest.StartWithUsers(t, users, sudoers, "PasswordAuthentication yes")
	t.Setenv("STOPOVER_TEST_RIGHT", password)
	stop, watched := make(chan struct{}), &sync.WaitGroup{}
	var seen []string
	watched.Go(func() {
		for {
			all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, f := range all {
				if b, _ := os.ReadFile(f); bytes.Contains(b, []byte("Zq7")) {
					seen = append(seen, string(b))
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	tg := as(t, s, "asked", "")
	tg.IdentityFiles, tg.Password = []string{"/nonexistent"}, "env:STOPOVER_TEST_RIGHT"
	for range 3 {
		conn, err := ssh.Dial(t.Context(), tg)
		if err != nil {
			t.Fatal(err)
		}
		out, err := conn.Run(t.Context(), []string{"sh", "-c", "id -u; env; sleep 0.2"}, nil)
		if err != nil || !strings.HasPrefix(string(out.Stdout), "0\n") || strings.Contains(string(out.Stdout), "Zq7") {
			t.Errorf("%+v, %v", out, err)
		}
		_ = conn.Close()
	}
	close(stop)
	watched.Wait()
	if len(seen) > 0 {
		t.Errorf("the password was seen in %q", seen)
	}
	if strings.Contains(s.Log(), "Zq7") {
		t.Error("the password is in the server's log")
	}
}

// TestShells: whatever the login shell is and says, commands and streams work.
func TestShells(t *testing.T) {
	var with []sshdtest.User
	for _, shell := range []string{"bash", "dash", "zsh", "ksh93", "fish", "tcsh", "rbash", "sh"} {
		if path, err := exec.LookPath(shell); err == nil {
			with = append(with, sshdtest.User{Name: "u" + shell, Shell: path})
		} else {
			t.Logf("SKIPPED: %s is not installed", shell)
		}
	}
	no := []sshdtest.User{{Name: "nologin", Shell: "/usr/sbin/nologin"}, {Name: "false", Shell: "/bin/false"}, {Name: "absent", Shell: "/no/such/shell"}}
	s := sshdtest.StartWithUsers(t, append(with, no...), "")
	for i, u := range with {
		// A start-up file that talks, as those of many users do.
		for _, rc := range []string{".bashrc", ".zshenv", ".tcshrc", ".cshrc"} {
			name := filepath.Join(s.Dir, "home", u.Name, rc)
			if err := os.WriteFile(name, []byte("echo welcome; echo oh >/dev/null\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		tg := target(t, s)
		tg.User = u.Name
		conn := open(t, tg)
		argv := []string{"printf", `%s\n`, "it's", "!x !!", `back\slash\`, "two\nlines", "$HOME `id` \"q\"", "-n", "é\xff", "*"}
		out, err := conn.Run(t.Context(), argv, nil)
		if err != nil || string(out.Stdout) != strings.Join(argv[2:], "\n")+"\n" {
			t.Errorf("%s: %+v, %v", u.Shell, out, err)
		}
		out, err = conn.Run(t.Context(), []string{"id", "-u"}, nil)
		if err != nil || strings.TrimSpace(string(out.Stdout)) != strconv.Itoa(47001+i) {
			t.Errorf("%s: %+v, %v", u.Shell, out, err)
		}
	}
	for _, u := range no {
		tg := target(t, s)
		tg.User = u.Name
		conn, err := ssh.Dial(t.Context(), tg)
		if err == nil {
			_, err = conn.Run(t.Context(), []string{"true"}, nil)
			_ = conn.Close()
			if !errors.Is(err, ssh.ErrShell) || !strings.Contains(err.Error(), "chsh") {
				t.Errorf("%s: %v", u.Shell, err)
			}
		} else if !errors.Is(err, ssh.ErrAuth) { // sshd lets no user with a missing shell in
			t.Errorf("%s: %v", u.Shell, err)
		}
	}
}
