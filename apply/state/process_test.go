package state_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stopover/stopover/apply/state"
)

// TestMain lets the tests start themselves as other processes.
func TestMain(m *testing.M) {
	switch os.Getenv("STOPOVER_TEST_AS") {
	case "writer":
		os.Exit(writer(os.Getenv("STOPOVER_TEST_STORE")))
	case "holder":
		os.Exit(holder(os.Getenv("STOPOVER_TEST_STORE")))
	}
	os.Exit(m.Run())
}

func writer(dir string) int {
	s := state.OpenLocal(dir, state.Options{})
	for i := range 100 {
		if err := s.Append(context.Background(), state.Event{What: state.Noted, Run: fmt.Sprint(os.Getpid()), Attempt: i}); err != nil {
			fmt.Println(err)
			return 1
		}
		if i == 10 {
			fmt.Println("going")
		}
	}
	return 0
}

// holder takes the lock, says so, and holds it until it is told to end.
func holder(dir string) int {
	s := state.OpenLocal(dir, short(nil))
	l, err := s.Lock(context.Background(), state.Holder{Who: "the other process"})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("held")
	<-l.Lost()
	fmt.Println("lost")
	if err := s.Append(context.Background(), state.Event{What: state.Noted}); !errors.Is(err, state.ErrLockLost) {
		fmt.Println("append without the lock:", err)
		return 1
	}
	return 0
}

func start(t *testing.T, as, dir string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STOPOVER_TEST_AS="+as, "STOPOVER_TEST_STORE="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewReader(out)
}

func says(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	line, err := r.ReadString('\n')
	if strings.TrimSpace(line) != want {
		t.Fatalf("the other process says %q (%v), want %q", line, err, want)
	}
}

// Two processes append at once, one is killed in the middle of it: every event
// that was acknowledged is there.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	killed, out := start(t, "writer", dir)
	whole, _ := start(t, "writer", dir)
	says(t, out, "going")
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()
	if err := whole.Wait(); err != nil {
		t.Fatal(err)
	}
	log, err := state.OpenLocal(dir, state.Options{}).Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range log.Events {
		count[e.Run]++
	}
	if count[fmt.Sprint(whole.Process.Pid)] != 100 || count[fmt.Sprint(killed.Process.Pid)] < 11 {
		t.Errorf("events by process: %v", count)
	}
}

// A holder that was killed is no obstacle: the kernel says that it is gone.
func TestKilledHolder(t *testing.T) {
	dir := t.TempDir()
	cmd, out := start(t, "holder", dir)
	says(t, out, "held")
	s := state.OpenLocal(dir, state.Options{Lease: time.Hour, Beat: 10 * time.Millisecond})
	defer s.Close()
	var locked *state.LockedError
	if _, err := s.Lock(context.Background(), state.Holder{Who: "me"}); !errors.As(err, &locked) || locked.Holder.Who != "the other process" {
		t.Fatalf("while it lives: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := s.Lock(context.Background(), state.Holder{Who: "me"}); err != nil {
		t.Fatalf("after its death, with an hour of lease left: %v", err)
	}
}

// A holder that was stopped loses its lock after the lease, and knows when it
// wakes up.
func TestStoppedHolder(t *testing.T) {
	dir := t.TempDir()
	cmd, out := start(t, "holder", dir)
	says(t, out, "held")
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s := state.OpenLocal(dir, short(nil))
	defer s.Close()
	l, err := s.Lock(context.Background(), state.Holder{Who: "me"})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	says(t, out, "lost")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	select {
	case <-l.Lost():
		t.Error("the one who woke up took the lock back")
	default:
	}
}

// A holder that was stopped may go on at any moment: its lock is not removed.
// One that was killed is dead, however long its lease is.
func TestUnlockOfAProcess(t *testing.T) {
	dir := t.TempDir()
	cmd, out := start(t, "holder", dir)
	says(t, out, "held")
	s := state.OpenLocal(dir, state.Options{Lease: time.Hour, Beat: 10 * time.Millisecond})
	defer s.Close()
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var locked *state.LockedError
	if _, err := s.Unlock(context.Background()); !errors.As(err, &locked) || locked.Holder.Who != "the other process" {
		t.Errorf("unlock while its process is only stopped: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if was, err := s.Unlock(context.Background()); err != nil || was.Who != "the other process" {
		t.Errorf("unlock after its death: %v %v", was, err)
	}
	if _, err := s.Unlock(context.Background()); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("unlock again: %v", err)
	}
}
