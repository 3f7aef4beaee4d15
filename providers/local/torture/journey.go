package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stopover/stopover/examples/ledger"
	"github.com/stopover/stopover/providers/agent/ownership"
)

// journey is one way out and home, with faults.
type journey struct {
	o     options
	no    int
	total *tally
	r     *rand.Rand
	w     *world
	a, b  *system // client, transit
	load  *ledger.Load
	look  *lookout

	stopLoad context.CancelFunc
	loading  sync.WaitGroup
}

func newJourney(o options, no int, total *tally, r *rand.Rand) *journey {
	return &journey{o: o, no: no, total: total, r: r}
}

// goal is one command that has to succeed in the end, however often it is hurt.
type goal struct {
	name   string
	args   []string
	exit   int
	states []string              // that can be hit on the way
	done   func(j *journey) bool // nil: the exit status says it
}

func goals() []goal {
	move := []string{"staged", "frozen", "prepared", "committed", "moved"}
	return []goal{
		{name: "migrate", args: []string{"apply", "--auto-approve", "--lease", leaseS}, exit: 3, states: move},
		{name: "rollback", args: []string{"rollback", "--auto-approve", "--lease", leaseS, "shop"}, exit: 0, states: move, done: rolledBack},
		{name: "migrate again", args: []string{"apply", "--auto-approve", "--lease", leaseS}, exit: 3, states: move},
		{name: "approve", args: []string{"approve", "verify.accept[*]"}, exit: 0},
		{name: "home", args: []string{"apply", "--auto-approve", "--lease", leaseS, "--confirm-reinstall", "client"}, exit: 0,
			states: append([]string{"sealed"}, move...)},
	}
}

// states are those of the protocol that faults are aimed at.
var states = []string{"staged", "frozen", "prepared", "committed", "moved", "sealed"}

func rolledBack(j *journey) bool {
	r, ok := peek(j.w.client, "shop")
	return ok && r.State == ownership.Active && r.Epoch >= 2
}

// maxTries bounds how often one command is run: without faults one does, and
// the last ones run without.
const (
	maxTries  = 60
	hurtTries = 40
)

func (j *journey) run(ctx context.Context) error {
	var err error
	run := fmt.Sprintf("t%d", j.no)
	if j.w, err = newWorld(j.r); err != nil {
		return err
	}
	// Every other journey has a bad line between the servers.
	rate := 0.0
	if j.no%2 == 1 {
		rate = 0.1
	}
	j.a, j.b = newSystem(j.w.client, rate), newSystem(j.w.transit, rate)
	http, smtp := fmt.Sprintf("%s:%d", j.w.clientIP, httpPort), fmt.Sprintf("%s:%d", j.w.clientIP, smtpPort)
	if err := awaitSite(ctx, http, j.w.accounts[0].Domain); err != nil {
		return err
	}
	j.load = ledger.New(ledger.Options{HTTP: http, SMTP: smtp, Accounts: j.w.accounts, Run: run, Pause: 30 * time.Millisecond})
	var lctx context.Context
	lctx, j.stopLoad = context.WithCancel(ctx)
	j.loading.Go(func() { j.load.Run(lctx) })
	j.look = newLookout(j.w)
	for _, g := range goals() {
		if err := j.reach(ctx, g); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		if err := j.look.verdict(); err != nil {
			return err
		}
	}
	return j.settle(ctx)
}

// reach runs a command, hurt again and again, until it has succeeded.
func (j *journey) reach(ctx context.Context, g goal) error {
	var out string
	var code int
	for try := range maxTries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		hurt := try < hurtTries && len(g.states) > 0 && j.total.left(j.o.n)
		code, out = j.attempt(ctx, g, hurt)
		if code == g.exit || g.done != nil && g.done(j) {
			return nil
		}
	}
	return fmt.Errorf("after %d runs it still ends with %d, and the last of them said:\n%s", maxTries, code, tail(out, 4000))
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// attempt runs the command once, with at most a few faults on the way.
func (j *journey) attempt(ctx context.Context, g goal, hurt bool) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, j.o.stopover, append([]string{"-C", j.w.dir}, g.args...)...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return -1, err.Error()
	}
	done := make(chan struct{})
	var hurting sync.WaitGroup
	if hurt {
		hurting.Go(func() { j.hurt(g, c.Process, done) })
	}
	err := c.Wait()
	close(done)
	hurting.Wait()
	code := c.ProcessState.ExitCode()
	if err != nil && code < 0 {
		code = 137
	}
	if j.o.verbose {
		fmt.Printf("    %s: exit %d\n", g.name, code)
	}
	return code, out.String()
}

// hurt waits until the journey is in a state that was hit too seldom, and hurts
// something there. One run is hurt once or twice.
func (j *journey) hurt(g goal, tool *os.Process, done <-chan struct{}) {
	for range 1 + j.r.IntN(2) {
		target := j.rarest(g.states)
		if !j.await(target, done) {
			return
		}
		kind := j.fault(tool)
		j.total.add(target, kind)
		if j.o.verbose {
			fmt.Printf("    %-10s %s\n", target, kind)
		}
		if strings.HasPrefix(kind, "kill tool") || kind == "kill both" {
			if kind == "kill tool" {
				j.answersAgain()
			}
			return
		}
	}
}

// rarest prefers states that were hit less, but takes any now and then.
func (j *journey) rarest(of []string) string {
	best := of[j.r.IntN(len(of))]
	if j.r.IntN(5) == 0 {
		return best
	}
	j.total.mu.Lock()
	defer j.total.mu.Unlock()
	for _, s := range of {
		if j.total.byState[s] < j.total.byState[best] {
			best = s
		}
	}
	return best
}

// await looks at the records until one account is in the state.
func (j *journey) await(state string, done <-chan struct{}) bool {
	for {
		select {
		case <-done:
			return false
		case <-time.After(time.Millisecond):
		}
		if state == "sealed" {
			s, err := ownership.PeekServer(filepath.Join(j.w.client, "records", "accounts"))
			if err == nil && s.Seal != nil {
				return true
			}
			time.Sleep(2 * time.Millisecond)
			continue
		}
		for _, a := range j.w.accounts {
			x, _ := peek(j.w.client, a.Name)
			y, _ := peek(j.w.transit, a.Name)
			if in(state, x, y) || in(state, y, x) {
				// Not always at once: the middle of a state is as good as its beginning.
				time.Sleep(time.Duration(j.r.IntN(6)) * time.Millisecond)
				return true
			}
		}
	}
}

// in says whether the pair of records, seen from its first, is in a state.
func in(state string, x, y ownership.Record) bool {
	switch state {
	case "staged":
		return x.State == ownership.Staged
	case "frozen":
		return x.State == ownership.Frozen && y.State != ownership.Prepared
	case "prepared":
		return x.State == ownership.Prepared && y.State != ownership.Moved
	case "committed":
		return x.State == ownership.Prepared && y.State == ownership.Moved && y.Token == x.Token
	case "moved":
		return x.State == ownership.Moved && !x.Confirmed && y.State == ownership.Active
	}
	return false
}

// fault does one, and names it.
func (j *journey) fault(tool *os.Process) string {
	client, transit := j.a, j.b
	switch j.r.IntN(12) {
	case 0, 1, 2:
		_ = tool.Kill()
		return "kill tool"
	case 3:
		j.pauseTool(tool, time.Duration(100+j.r.IntN(900))*time.Millisecond)
		return "pause tool"
	case 4:
		j.pauseTool(tool, lease+time.Duration(200+j.r.IntN(1500))*time.Millisecond)
		return "pause tool past its lease"
	case 5:
		client.signal(syscall.SIGKILL)
		return "kill client"
	case 6:
		transit.signal(syscall.SIGKILL)
		return "kill transit"
	case 7:
		s := client
		if j.r.IntN(2) == 0 {
			s = transit
		}
		_ = tool.Kill()
		s.signal(syscall.SIGKILL)
		return "kill both"
	case 8:
		client.reboot()
		return "reboot client"
	case 9:
		transit.reboot()
		return "reboot transit"
	case 10:
		s := client
		if j.r.IntN(2) == 0 {
			s = transit
		}
		s.pause(time.Duration(100+j.r.IntN(1500)) * time.Millisecond)
		return "pause server"
	}
	s := client
	if j.r.IntN(2) == 0 {
		s = transit
	}
	s.signal(syscall.SIGUSR1)
	return "clock jumps"
}

func (j *journey) pauseTool(tool *os.Process, d time.Duration) {
	_ = tool.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	_ = tool.Signal(syscall.SIGCONT)
}

// answersAgain is law 4: with the tool dead and both servers alive, every
// account answers again within the lease.
func (j *journey) answersAgain() {
	began := time.Now()
	for _, a := range j.w.accounts {
		ctx, cancel := context.WithTimeout(context.Background(), lease+20*time.Second)
		err := awaitSite(ctx, fmt.Sprintf("%s:%d", j.w.clientIP, httpPort), a.Domain)
		cancel()
		if err != nil {
			j.look.say(fmt.Sprintf("with the tool dead, account %q does not answer after %v: %v", a.Name, time.Since(began).Round(time.Millisecond), err))
			return
		}
	}
	j.total.mu.Lock()
	defer j.total.mu.Unlock()
	j.total.answered++
	j.total.worst = max(j.total.worst, time.Since(began))
}

// awaitSite waits until an account's site answers.
func awaitSite(ctx context.Context, address, domain string) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		}}}
	for {
		res, err := client.Get("http://" + domain + "/count")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(res.Status)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// settle ends the load and audits: everything acknowledged is there once, and
// every account is at home.
func (j *journey) settle(ctx context.Context) error {
	j.stopLoad()
	j.loading.Wait()
	looks := j.look.close()
	j.total.mu.Lock()
	j.total.writes += j.load.Stats().Writes + j.load.Stats().Mails
	j.total.watched += looks
	j.total.mu.Unlock()
	if err := j.look.verdict(); err != nil {
		return err
	}
	j.countLine()
	for _, a := range j.w.accounts {
		r, ok := peek(j.w.client, a.Name)
		if !ok || r.State != ownership.Active {
			return fmt.Errorf("account %q is not at home but %s", a.Name, r.State)
		}
	}
	// The servers are stopped first, so that nothing writes while it is read.
	j.a.close()
	j.b.close()
	defer func() { j.a, j.b = nil, nil }()
	for _, a := range j.w.accounts {
		bad, err := j.load.Audit(ctx, a, where(j.w.client, a.Name))
		if err != nil {
			return fmt.Errorf("audit of %q: %w", a.Name, err)
		}
		if len(bad) > 0 {
			return fmt.Errorf("audit of %q: %d wrong: %s", a.Name, len(bad), strings.Join(bad[:min(len(bad), 20)], "\n  "))
		}
	}
	return nil
}

// countLine adds the faults that the line between the servers had.
func (j *journey) countLine() {
	j.total.mu.Lock()
	defer j.total.mu.Unlock()
	for _, dir := range []string{j.w.client, j.w.transit} {
		b, err := os.ReadFile(dir + ".faults")
		if err != nil {
			continue
		}
		for kind := range strings.Lines(string(b)) {
			j.total.byKind["line: "+strings.TrimSpace(kind)]++
		}
	}
}

func (j *journey) close(keep bool) error {
	if j.stopLoad != nil {
		j.stopLoad()
	}
	if j.look != nil {
		j.look.close()
	}
	for _, s := range []*system{j.a, j.b} {
		if s != nil {
			s.close()
		}
	}
	j.loading.Wait()
	if j.w == nil {
		return nil
	}
	if keep {
		fmt.Fprintln(os.Stderr, "kept:", j.w.dir)
		return nil
	}
	return os.RemoveAll(j.w.dir)
}
