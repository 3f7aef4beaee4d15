//go:build linux

package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Need skips a test on a machine that cannot run beds, with the reason on
// standard error too: a skip nobody sees is a test nobody runs. With CI=true
// it fails the test.
func Need(t testing.TB) {
	t.Helper()
	err := Able()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("this machine cannot run a test bed: %v", err)
	}
	fmt.Fprintf(os.Stderr, "SKIPPED %s: this machine cannot run a test bed: %v\n", t.Name(), err)
	t.Skipf("this machine cannot run a test bed: %v", err)
}

// New starts a bed for a test and closes it when the test ends. A test that
// fails prints the ends of the hosts' logs.
func New(t testing.TB, o Options) *Bed {
	t.Helper()
	Need(t)
	b, err := Start(t.Context(), o)
	if err != nil {
		t.Fatalf("test bed: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.Logs())
		}
		if err := b.Close(); err != nil {
			t.Errorf("end of the test bed: %v", err)
		}
	})
	return b
}

// Able says what this machine lacks to run beds, nil if nothing.
func Able() error {
	if os.Geteuid() != 0 {
		return errors.New("it takes root")
	}
	for _, p := range []string{"ip", "tc", "ssh-keygen", "unshare"} {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Errorf("%s is not installed: run make deps", p)
		}
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !bytes.Contains(known, []byte("\toverlay\n")) {
		return errors.New("the kernel has no overlay file system: modprobe overlay")
	}
	if err := os.MkdirAll(bedsDir(), 0o700); err != nil {
		return err
	}
	if on, kind := onOverlay(bedsDir()); on {
		return fmt.Errorf("%s is on %s, on which no other can lie: set %s to a directory on ext4, xfs or tmpfs", bedsDir(), kind, cacheEnv)
	}
	if cached, _ := filepath.Glob(filepath.Join(Cache(), "*-*", "etc/debian_version")); len(cached) == 0 {
		if _, err := exec.LookPath("debootstrap"); err != nil {
			return errors.New("debootstrap is not installed: run make deps")
		}
	}
	return namespaces()
}

// namespaces tries what a host needs on a program that does nothing.
func namespaces() error {
	c := exec.Command("true")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET}
	if err := c.Run(); err != nil {
		return fmt.Errorf("new namespaces are refused: %w", err)
	}
	return nil
}

// Logs is the end of what the hosts' services wrote.
func (b *Bed) Logs() string {
	var out strings.Builder
	for _, h := range b.hosts {
		paths, _ := filepath.Glob(filepath.Join(h.dir(), "upper/var/log/testbed/*.log"))
		for _, p := range append([]string{h.initLog(), filepath.Join(h.dir(), "upper/var/log/mail.log")}, paths...) {
			if text := strings.TrimSpace(tail(p, 1500)); text != "" {
				fmt.Fprintf(&out, "--- %s: %s\n%s\n", h.Name, filepath.Base(p), text)
			}
		}
	}
	return out.String()
}

// Shell runs a script on a host and fails the test if it fails.
func (h *Host) Shell(t testing.TB, script string) string {
	t.Helper()
	out, err := h.Script(context.WithoutCancel(t.Context()), script)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}
