package ask

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/stopover/stopover/schema"
)

// mostOutput is how much of a program's output is looked at; it may write more.
const mostOutput = 64 << 10

// passedOn are the variables of the environment that a program sees, as those of
// checks. Others may hold what references to secrets name. Never written to.
var passedOn = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ"}

// askCommand runs a program of the operator on this machine. Its arguments are
// passed on as they are: there is no shell. It and what it starts end with the
// question.
func (q *asking) askCommand(ctx context.Context) error {
	c := exec.CommandContext(ctx, q.Command[0], q.Command[1:]...)
	var out, wrong head
	c.Stdout, c.Stderr, c.Dir = &out, &wrong, q.Dir
	for _, name := range passedOn {
		if v, ok := os.LookupEnv(name); ok {
			c.Env = append(c.Env, name+"="+v)
		}
	}
	c.Env = append(c.Env,
		"STOPOVER_SERVER="+q.Server,
		"STOPOVER_ADDRESS="+q.Place.Host,
		"STOPOVER_ACCOUNT="+q.Account,
		"STOPOVER_HTTP="+q.Services[schema.ServiceHTTP],
		"STOPOVER_SMTP="+q.Services[schema.ServiceSMTP],
	)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second // for a child of its own that keeps the output open
	err := c.Run()
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && c.Process != nil:
		q.refuse(fmt.Sprintf("%s did not end in time and was stopped", short(q.Command[0], mostLine)))
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrWaitDelay):
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // whoever it left behind
	case errors.As(err, &ended):
		if s, ok := ended.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			q.refuse(fmt.Sprintf("%s ended with signal %d", short(q.Command[0], mostLine), int(s.Signal())))
			return nil
		}
	case err != nil:
		return fmt.Errorf("run %s: %w", schema.QuoteName(q.Command[0]), err)
	}
	a := &q.answer
	a.Status = c.ProcessState.ExitCode()
	a.Contains = bytes.Contains(out.Bytes(), []byte(q.Contains))
	a.Found = q.Absent != "" && bytes.Contains(out.Bytes(), []byte(q.Absent))
	if a.Line = firstLine(out.String()); a.Line == "" {
		a.Line = firstLine(wrong.String())
	}
	return nil
}

// head keeps the begin of what is written to it.
type head struct{ bytes.Buffer }

func (h *head) Write(b []byte) (int, error) {
	if room := mostOutput - h.Len(); room > 0 {
		h.Buffer.Write(b[:min(len(b), room)])
	}
	return len(b), nil
}
