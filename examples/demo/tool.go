package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Exit statuses of the program, as its help says.
const (
	exitDone    = 0
	exitWaiting = 3
)

// tool runs the program in the demo's directory.
type tool struct {
	program, dir string
}

// message is anything the program prints with --json: a plan, or one line of
// a run.
type message struct {
	Type     string `json:"type"`
	Op       string `json:"op"`
	Phase    string `json:"phase"`
	Account  string `json:"account"`
	Part     string `json:"part"`
	To       string `json:"to"`
	Text     string `json:"text"`
	Error    string `json:"error"`
	Message  string `json:"message"`
	Bytes    int64  `json:"bytes"`
	Duration int64  `json:"duration_ms"`

	Change struct { // of planned_change
		Cutovers []cutover `json:"cutovers"`
	} `json:"change"`
	Result struct {
		Accounts []struct {
			Account  string    `json:"account"`
			Why      string    `json:"why"`
			Cutovers []cutover `json:"cutovers"`
		} `json:"accounts"`
	} `json:"result"`
}

// planned is what the demo reads of a plan.
type planned struct {
	Steps    []step `json:"steps"`
	Findings []struct {
		Severity string `json:"severity"`
		Summary  string `json:"summary"`
	} `json:"findings"`
	Gates []struct {
		ID   string `json:"id"`
		Open bool   `json:"open"`
	} `json:"gates"`
}

type step struct {
	Op        string `json:"op"`
	Account   string `json:"account"`
	Group     string `json:"group"`
	Projected bool   `json:"projected"`
	Estimate  struct {
		Downtime time.Duration `json:"downtime"`
	} `json:"estimate"`
}

type cutover struct {
	Group    string        `json:"group"`
	To       string        `json:"to"`
	Downtime time.Duration `json:"downtime"`
	Outside  time.Duration `json:"outside"`
}

// run runs one command, hands every message to see, and returns its exit
// status. A command that is to end is asked to, as Ctrl-C does, and waited for.
func (t *tool) run(ctx context.Context, see func(message), args ...string) (int, error) {
	c := exec.CommandContext(ctx, t.program, append([]string{"--json"}, args...)...)
	c.Dir = t.dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C reaches the demo, which passes it on, once
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 30 * time.Second
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := c.Start(); err != nil {
		return 0, err
	}
	var last string
	dec := json.NewDecoder(out)
	for {
		var m message
		if err = dec.Decode(&m); err != nil {
			break
		}
		switch {
		case m.Type == "error":
			last = m.Message
		case m.Error != "":
			last = m.Error
		}
		if see != nil {
			see(m)
		}
	}
	if !errors.Is(err, io.EOF) {
		_, _ = io.Copy(io.Discard, out)
	} else {
		err = nil
	}
	status := 0
	if e := c.Wait(); e != nil {
		exit := (*exec.ExitError)(nil)
		if !errors.As(e, &exit) {
			return 0, errors.Join(e, ctx.Err())
		}
		status = exit.ExitCode()
	}
	switch {
	case ctx.Err() != nil:
		return status, ctx.Err()
	case err != nil:
		return status, fmt.Errorf("stopover %s: what it printed is not JSON: %w", strings.Join(args, " "), err)
	case status != exitDone && status != exitWaiting:
		return status, fmt.Errorf("stopover %s: exit status %d: %s %s", strings.Join(args, " "), status, last, complaints.String())
	}
	return status, nil
}

// plan is the plan that is left now.
func (t *tool) plan(ctx context.Context) (*planned, error) {
	c := exec.CommandContext(ctx, t.program, "--json", "plan")
	c.Dir = t.dir
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("stopover plan: %w: %s %s", err, out, complaints.String())
	}
	p := new(planned)
	return p, json.Unmarshal(out, p)
}
