package ssh

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// SudoProblem says why a user does not become root.
type SudoProblem string

// Problems with sudo.
const (
	SudoMissing   SudoProblem = "missing"
	SudoForbidden SudoProblem = "not allowed"
	SudoPassword  SudoProblem = "password needed"
	SudoWrong     SudoProblem = "wrong password"
	SudoTerminal  SudoProblem = "terminal needed"
	SudoOther     SudoProblem = "other"
)

// SudoError is a user who does not become root.
type SudoError struct {
	Address string
	User    string
	Problem SudoProblem
	Said    string
}

// Is makes errors.Is find ErrSudo.
func (e *SudoError) Is(target error) bool { return target == ErrSudo }

func (e *SudoError) Error() string {
	s := fmt.Sprintf("%q on %s does not become root: ", e.User, e.Address)
	rule := fmt.Sprintf("on the server, run visudo -f /etc/sudoers.d/stopover and add: %s ALL=(root) NOPASSWD: ALL", e.User)
	switch e.Problem {
	case SudoMissing:
		return s + "sudo is not installed. Install it, or log in as root"
	case SudoForbidden:
		return s + "sudo does not allow it; " + rule
	case SudoPassword:
		return s + "sudo asks for a password and none is given. Give the user's password as a secret, or " + rule
	case SudoWrong:
		return s + "sudo refused the password. Give the right one, or " + rule
	case SudoTerminal:
		return s + "sudo wants a terminal; on the server, run visudo -f /etc/sudoers.d/stopover and add: Defaults:" + e.User + " !requiretty"
	}
	return s + "sudo said: " + e.Said
}

// rise is a user's way to root. It gives the password when sudo asks and never
// otherwise, so that it reaches nothing but sudo.
type rise struct {
	secret string
	prompt string

	mu     sync.Mutex
	over   bool
	window []byte
	asked  int
}

// listen reads standard error to its end, and answers sudo while that is due.
func (r *rise) listen(p *process) {
	buf := make([]byte, 4<<10)
	for {
		n, err := p.words.Read(buf)
		r.hear(p, buf[:n])
		if err != nil {
			return
		}
	}
}

func (r *rise) hear(p *process, b []byte) {
	_, _ = p.stderr.Write(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.secret == "" {
		return
	}
	r.window = append(r.window, b...)
	if i := bytes.Index(r.window, []byte(r.prompt)); i >= 0 {
		r.window = append([]byte(nil), r.window[i+len(r.prompt):]...)
		if r.asked++; r.asked == 1 {
			_, _ = p.stdin.Write([]byte(r.secret + "\n"))
		} else { // it asks again: the password is wrong
			r.over = true
			_ = p.stdin.Close()
		}
	}
	if over := len(r.window) - len(r.prompt); over > 0 {
		r.window = append(r.window[:0], r.window[over:]...)
	}
}

// stop ends answering: from now on standard input belongs to the command.
func (r *rise) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

// explain says why a command never ran.
func (r *rise) explain(p *process, noise []byte) error {
	raw := strings.ReplaceAll(string(p.stderr.bytes()), r.prompt, "")
	code, _, _ := p.exit()
	has := func(texts ...string) bool {
		for _, t := range texts {
			if strings.Contains(raw, t) {
				return true
			}
		}
		return false
	}
	e := &SudoError{Address: p.c.address, User: p.c.user, Said: Plain([]byte(raw), maxSaid)}
	r.mu.Lock()
	asked := r.asked
	r.mu.Unlock()
	switch {
	case has("must have a tty", "no tty present", "terminal is required"):
		e.Problem = SudoTerminal
	case has("not in the sudoers file", "is not allowed to", "may not run sudo"):
		e.Problem = SudoForbidden
	case asked > 0:
		e.Problem = SudoWrong
	case has("password is required", "authentication is required"):
		e.Problem = SudoPassword
	case has("sudo: not found", "sudo: command not found", "sudo: No such file"):
		e.Problem = SudoMissing
	case has("sudo:"):
		e.Problem = SudoOther
	default:
		said := Plain(append(append([]byte(nil), noise...), raw...), maxSaid)
		if said == "" {
			said = "nothing"
		}
		return fmt.Errorf("%w: that of %q on %s ended with code %d and said: %s. Give the user a shell (chsh), or log in as another",
			ErrShell, p.c.user, p.c.address, code, said)
	}
	return e
}
