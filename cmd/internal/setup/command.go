package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile/condition"
)

const (
	// usualTimeout is how long a command may take where its check does not say.
	usualTimeout = 30 * time.Second
	// commandsAtOnce is how many of them run beside each other.
	commandsAtOnce = 4
	// mostPrinted is how much of what a command prints is kept, in bytes.
	mostPrinted = 64 << 10
)

// passedOn are the variables of the environment that commands see. Others may
// hold what references to secrets name. Never written to.
var passedOn = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ"}

// commands runs the checks of the configuration that are commands, and returns
// what they have found, in the order of the checks and of the accounts' names.
// The error is that of a run that was called off.
func (p *Project) commands(ctx context.Context, inv *schema.Inventory) ([]schema.Finding, error) {
	var out []schema.Finding
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(commandsAtOnce)
	var slots []*schema.Finding // nil where a command found nothing
	for i := range p.Config.Checks {
		c := &p.Config.Checks[i]
		if len(c.Command) == 0 {
			continue
		}
		if !p.mayRun(c) {
			out = append(out, condition.Untold(*c, "", "its command comes from a saved plan, and the configuration in this directory does not have it", ""))
			continue
		}
		targets, said := condition.Targets(*c, inv, p.Config)
		out = append(out, said...)
		for _, t := range targets {
			slot := &schema.Finding{}
			slots = append(slots, slot)
			g.Go(func() error {
				f := p.command(gctx, c, t, inv)
				if f != nil {
					*slot = *f
				}
				return gctx.Err()
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, s := range slots {
		if s.Code != "" {
			out = append(out, *s)
		}
	}
	return out, nil
}

// mayRun says whether a command may be started: only the configuration in the
// directory may ask for that, not a file that somebody has sent.
func (p *Project) mayRun(c *schema.Condition) bool {
	return slices.ContainsFunc(p.trusted, func(t schema.Condition) bool { return t.Name == c.Name && slices.Equal(t.Command, c.Command) })
}

// command runs one check for one account, or for everything.
func (p *Project) command(ctx context.Context, c *schema.Condition, t condition.Target, inv *schema.Inventory) *schema.Finding {
	account := ""
	env := []string{"STOPOVER_CHECK=" + c.Name}
	if t.Account != nil {
		account = t.Account.Name
		env = append(env, "STOPOVER_ACCOUNT="+account, "STOPOVER_SERVER="+t.Server.Name)
	}
	input, err := commandInput(t, inv)
	if err != nil {
		f := condition.Untold(*c, account, err.Error(), "")
		return &f
	}
	limit := c.Timeout
	if limit <= 0 {
		limit = usualTimeout
	}
	stdout, stderr, err := start(ctx, p.Dir, c.Command, env, input, limit)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		f := condition.Said(*c, account, stdout)
		return &f
	case errors.As(err, &exit) && exit.ExitCode() > 1:
		f := condition.Untold(*c, account, fmt.Sprintf("its command ended with %d", exit.ExitCode()), stderr)
		return &f
	}
	f := condition.Untold(*c, account, err.Error(), stderr)
	return &f
}

// commandInput is what a command reads: the account and its server, or all.
func commandInput(t condition.Target, inv *schema.Inventory) ([]byte, error) {
	if t.Account == nil {
		return json.Marshal(inv)
	}
	server := *t.Server
	server.Accounts = nil
	return json.Marshal(map[string]any{"account": t.Account, "server": &server})
}

// start runs a program to its end. What it leaves running in its process group
// is ended with it, when its time is over.
func start(ctx context.Context, dir string, argv, env []string, input []byte, limit time.Duration) (stdout, stderr string, err error) {
	tctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(tctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(input)
	for _, name := range passedOn {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	var o, e bounded
	cmd.Stdout, cmd.Stderr = &o, &e
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	group := func() error {
		if cmd.Process == nil {
			return nil // it did not start
		}
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	cmd.Cancel = group
	cmd.WaitDelay = 2 * time.Second
	err = cmd.Run()
	late := tctx.Err() != nil
	if late || errors.Is(err, exec.ErrWaitDelay) {
		_ = group() // it may have ended, and what it has left running still holds its output
	}
	switch {
	case err == nil:
	case errors.Is(err, exec.ErrWaitDelay):
		err = errors.New("its command has ended and left a program running")
	case late && ctx.Err() == nil:
		err = fmt.Errorf("its command had not ended after %s", limit)
	}
	return string(o.kept), string(e.kept), err
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ kept []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), mostPrinted-len(b.kept))]...)
	return len(p), nil
}
