package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// story drives the program through the journey and tells about it.
type story struct {
	w         *world
	t         *teller
	tool      *tool
	v         *visitors
	predicted map[string]time.Duration // downtime by cutover group, as the last plan said
	moves     []move
	copied    map[string]copied
	down      time.Duration // of the last cutover, as measured
}

// move is one cutover that happened.
type move struct {
	account, to       string
	predicted         time.Duration
	measured, outside time.Duration
}

// copied is what was copied of an account while it was in use.
type copied struct {
	bytes int64
	took  time.Duration
}

func (s *story) tell(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{s.before, s.out, s.back, s.reinstall, s.count} {
		if err := chapter(ctx); err != nil {
			if s.v != nil {
				s.v.leave()
			}
			return err
		}
	}
	return nil
}

// before shows who lives on the server and what is planned.
func (s *story) before(ctx context.Context) error {
	s.t.head("Three accounts on an old server")
	if _, err := s.tool.run(ctx, nil, "inventory"); err != nil {
		return err
	}
	for _, a := range s.w.accounts {
		s.t.line("  %s %s files, %s messages, %s of SQLite; site, worker, task",
			s.t.bold(pad(a.name, 10)), lpad(number(int64(a.files)), 5), lpad(number(int64(a.messages)), 4), lpad(size(a.database), 7))
	}
	s.t.line("  %s closed in March: it is archived, not moved", s.t.bold(pad(s.w.stays.name, 10)))
	var err error
	if s.v, err = welcome(ctx, s.w); err != nil {
		return err
	}
	s.t.line("")
	s.t.text("Visitors read pages, sign guestbooks and send mail at %s, now and until the end. They write down what they were promised.", s.w.web())
	s.t.command("plan")
	p, err := s.tool.plan(ctx)
	if err != nil {
		return err
	}
	now, later, longest := 0, 0, time.Duration(0)
	for _, x := range p.Steps {
		if x.Projected {
			later++
		} else {
			now++
		}
		if x.Group != "" {
			longest = max(longest, x.Estimate.Downtime)
		}
	}
	for _, f := range p.Findings {
		if f.Severity == "blocker" {
			return fmt.Errorf("the plan has a blocker: %s", f.Summary)
		}
	}
	s.t.text("%d steps can be done now, %d wait behind somebody's word. As long as nothing was measured here it predicts by rule of thumb: %s of downtime for one move.",
		now, later, seconds(longest))
	return nil
}

// out moves every account, one back, and that one out again.
func (s *story) out(ctx context.Context) error {
	s.t.head("Out to the transit server")
	s.t.text("A second server comes up with the new architecture. Files, mail and databases are copied while everybody works; then each account is frozen for a moment: what changed is copied, both sides are compared, and one record decides who owns it.")
	if err := s.apply(ctx, exitWaiting); err != nil {
		return err
	}
	second := s.w.accounts[1].name
	s.t.line("")
	s.t.text("The tool stops: the customers have to say whether their accounts work. One accepts. The other one wants to go back, with everything that was written on the transit server since.")
	if err := s.approve(ctx, "verify.accept["+s.w.accounts[0].folder+"]"); err != nil {
		return err
	}
	if err := s.do(ctx, exitDone, "rollback", second, "--auto-approve"); err != nil {
		return err
	}
	s.t.line("")
	s.t.text("It is at home again and works. The customer finds the setting that was wrong, and moves again.")
	return s.apply(ctx, exitWaiting)
}

// back asks for the point of no return without the word that it needs.
func (s *story) back(ctx context.Context) error {
	s.t.head("Everybody agrees")
	if err := s.approve(ctx, "verify.accept[*]"); err != nil {
		return err
	}
	s.t.text("Now the source can be reinstalled, which nobody can undo. So the tool does what can be undone and then wants the server's name, typed.")
	return s.apply(ctx, exitWaiting)
}

// reinstall wipes the source and brings everyone home.
func (s *story) reinstall(ctx context.Context) error {
	s.t.head("The source is reinstalled, and everyone goes home")
	s.t.text("While the source is away the transit server answers on its address: visitors change nothing. Then the accounts come home one by one.")
	if err := s.apply(ctx, exitDone, "--confirm-reinstall", clientName); err != nil {
		return err
	}
	p, err := s.tool.plan(ctx)
	if err != nil {
		return err
	}
	if len(p.Steps) > 0 {
		return fmt.Errorf("the journey is over, but the plan still has %d steps", len(p.Steps))
	}
	return nil
}

// count audits what visitors were promised and shows the figures.
func (s *story) count(ctx context.Context) error {
	s.t.head("The count")
	s.v.leave()
	var bad []string
	for _, name := range []string{clientName, transitName} { // the accounts' own programs must not write while we read
		if err := s.w.stop(ctx, name); err != nil {
			return err
		}
	}
	for _, a := range s.w.accounts {
		list, err := s.v.loads[a.name].Audit(ctx, s.v.who[a.name], s.w.accountDir(a))
		if err != nil {
			return err
		}
		now, err := takeSnapshot(s.w.accountDir(a))
		if err != nil {
			return err
		}
		for _, x := range append(list, s.w.before[a.name].differences(now)...) {
			bad = append(bad, a.name+": "+x)
		}
	}
	bad = append(bad, s.left()...)
	s.table()
	if len(bad) > 0 {
		return fmt.Errorf("what came home is not what left:\n  %s", strings.Join(bad[:min(len(bad), 20)], "\n  "))
	}
	return s.judge()
}

// left checks what did not travel with an account.
func (s *story) left() []string {
	var bad []string
	if b, err := os.ReadFile(filepath.Join(s.w.dir, clientName, residue)); err != nil || string(b) != s.w.carried {
		bad = append(bad, fmt.Sprintf("the file of the monitoring was not carried over: %q %v", b, err))
	}
	if _, err := os.Stat(s.w.accountDir(s.w.stays)); !errors.Is(err, os.ErrNotExist) {
		bad = append(bad, fmt.Sprintf("the account that was closed is still there (%v)", err))
	}
	archives, err := filepath.Glob(filepath.Join(s.w.dir, clientName+".archive", "accounts", s.w.stays.folder+".tar"))
	if err != nil || len(archives) != 1 {
		bad = append(bad, fmt.Sprintf("the archive of the closed account is missing (%v)", err))
	}
	return bad
}

// apply runs apply and tells what happens.
func (s *story) apply(ctx context.Context, want int, more ...string) error {
	return s.do(ctx, want, append([]string{"apply", "--auto-approve"}, more...)...)
}

func (s *story) approve(ctx context.Context, gate string) error {
	s.t.command("approve", gate)
	defer s.t.quiet()
	_, err := s.tool.run(ctx, nil, "approve", gate, "--by", "customer@example.org")
	return err
}

// do runs a command that moves things.
func (s *story) do(ctx context.Context, want int, args ...string) error {
	s.t.command(args...)
	s.predicted, s.copied = map[string]time.Duration{}, map[string]copied{}
	before := s.v.sum()
	status, err := s.tool.run(ctx, s.see, args...)
	if err != nil {
		return err
	}
	if status != want {
		return fmt.Errorf("stopover %s: exit status %d, expected %d", strings.Join(args, " "), status, want)
	}
	after := s.v.sum()
	s.t.line("    %s", s.t.faint(fmt.Sprintf("meanwhile: %s requests, %d failed; %s mails, %d told to come later",
		number(after.Asked-before.Asked), after.Failed-before.Failed, number(after.Mails-before.Mails), after.Deferred-before.Deferred)))
	return nil
}
