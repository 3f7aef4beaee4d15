//go:build linux

package testbed

import (
	"bufio"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// privateCache gives a test beds that no other process sees, over the roots
// that are cached already: what is there before and after is then its own.
func privateCache(t *testing.T) {
	t.Helper()
	Need(t)
	if _, err := Root(t.Context(), "bookworm", os.Stderr); err != nil {
		t.Fatal(err)
	}
	roots, err := filepath.Glob(filepath.Join(Cache(), "*-*"))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(bedsDir()), "private.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, r := range roots {
		if err := os.Symlink(r, filepath.Join(dir, filepath.Base(r))); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(cacheEnv, dir)
}

// residue is all that the beds of this test's cache hold on the machine.
func residue(t *testing.T) []string {
	t.Helper()
	var out []string
	beds, _ := filepath.Glob(filepath.Join(bedsDir(), "*"))
	out = append(out, beds...)
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]bool{}
	for _, b := range beds {
		numbers[filepath.Base(b)] = true
	}
	for _, l := range links {
		if n, ok := strings.CutPrefix(l.Name, "stopover-"); ok && (numbers[n] || mine(n)) {
			out = append(out, "link "+l.Name)
		}
	}
	for _, r := range cgroupRoots() {
		found, _ := filepath.Glob(filepath.Join(r, "stopover-testbed-*"))
		for _, f := range found {
			if mine(strings.TrimPrefix(filepath.Base(f), "stopover-testbed-")) {
				out = append(out, f)
			}
		}
	}
	return append(out, held(t)...)
}

// mine says whether a bed's number was given out in this test's cache.
func mine(number string) bool {
	b, err := os.ReadFile(filepath.Join(Cache(), "given"))
	return err == nil && slices.Contains(strings.Fields(string(b)), number)
}

// given notes a bed's number for mine.
func given(t *testing.T, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(Cache(), "given"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, filepath.Base(dir)); err != nil {
		t.Fatal(err)
	}
}

// held finds processes that have anything of this cache mounted, as every
// process of a host has, or named: keepers have it in their environment.
// Namespaces live as long as their processes, for nothing else holds them.
func held(t *testing.T) []string {
	t.Helper()
	var out []string
	ps, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		mounts, _ := os.ReadFile(p + "/mounts")
		env, _ := os.ReadFile(p + "/environ")
		if strings.Contains(string(mounts), bedsDir()) || strings.Contains(string(env), dirEnv+"="+bedsDir()) {
			name, _ := os.ReadFile(p + "/cmdline")
			out = append(out, fmt.Sprintf("process %s %q", filepath.Base(p), name))
		}
	}
	return out
}

// nothing waits until nothing is left; it gives up after long enough for any
// machine.
func nothing(t *testing.T, when string) {
	t.Helper()
	var left []string
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = residue(t); len(left) == 0 {
			return
		}
	}
	t.Errorf("left %s:\n%s", when, strings.Join(left, "\n"))
}

func TestCloseLeavesNothing(t *testing.T) {
	privateCache(t)
	before := machine(t)
	b, err := Start(t.Context(), Options{Hosts: []HostOptions{
		{Name: "one", Services: AllServices()}, {Name: "two"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	given(t, b.Dir())
	if len(residue(t)) < 10 {
		t.Errorf("a running bed holds only %q: the test is blind", residue(t))
	}
	if err := b.Host("one").Latency(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
	b.Host("two").Shell(t, "mount -t tmpfs none /mnt; setsid sleep 1000 >/dev/null 2>&1 & sleep 1000 >/dev/null 2>&1 &")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	// At once, not in a while: Close waits.
	if left := residue(t); len(left) > 0 {
		t.Errorf("left by Close:\n%s", strings.Join(left, "\n"))
	}
	if after := machine(t); after != before {
		t.Errorf("the machine before:\n%s\nafter:\n%s", before, after)
	}
}

// machine is what a bed could have changed of the machine itself.
func machine(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, p := range []string{"/proc/self/mounts", "/etc/passwd", "/etc/hosts", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/hostname"} {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	_ = filepath.WalkDir("/run/netns", func(p string, _ fs.DirEntry, err error) error {
		fmt.Fprintln(&out, p, err)
		return nil
	})
	return out.String()
}

// startOwner runs this program as the owner of a bed.
func startOwner(t *testing.T) (*exec.Cmd, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), ownerEnv+"=1")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(out)
	if !s.Scan() || !filepath.IsAbs(s.Text()) {
		t.Fatalf("the owner says %q", s.Text())
	}
	given(t, s.Text())
	return c, s.Text()
}

func TestKilledOwnerLeavesNothing(t *testing.T) {
	privateCache(t)
	owner, dir := startOwner(t)
	if left := residue(t); len(left) < 5 {
		t.Errorf("a running bed holds only %q: the test is blind", left)
	}
	r, err := readRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	// Frozen processes do not see that the owner is gone.
	_ = freezeWith(r.Number, "one", "FROZEN", "1")
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	nothing(t, "after the owner was killed")
}

// A start that is interrupted anywhere must leave nothing either.
func TestOwnerKilledWhileStarting(t *testing.T) {
	privateCache(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{20, 60, 120, 250, 400} {
		c := exec.CommandContext(t.Context(), self)
		c.Env = append(os.Environ(), ownerEnv+"=1")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		beds, _ := filepath.Glob(filepath.Join(bedsDir(), "*"))
		for _, b := range beds {
			given(t, b)
		}
		_ = c.Process.Kill()
		_ = c.Wait()
		// A directory whose keeper had not begun is swept by the next start.
		if _, err := Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		nothing(t, fmt.Sprintf("%d ms into a start", after))
	}
}

func TestSweepAfterKeeperAndOwnerWereKilled(t *testing.T) {
	privateCache(t)
	owner, dir := startOwner(t)
	r, err := readRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{r.Keeper.PID, owner.Process.Pid} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	_ = owner.Wait()
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("nobody was left to remove the directory, and yet: %v", err)
	}
	if err := r.Keeper.gone(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	swept, err := Sweep(t.Context())
	if err != nil || !slices.Equal(swept, []string{dir}) {
		t.Errorf("swept %q, %v", swept, err)
	}
	nothing(t, "after a sweep")
}

func TestSweepSparesTheLiving(t *testing.T) {
	privateCache(t)
	b, err := Start(t.Context(), small())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	given(t, b.Dir())
	if swept, err := Sweep(t.Context()); err != nil || len(swept) > 0 {
		t.Errorf("swept %q, %v", swept, err)
	}
	second, err := Start(t.Context(), small())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	given(t, second.Dir())
	if b.Host("one").Address() == second.Host("one").Address() {
		t.Error("two beds have one subnet")
	}
	for _, h := range append(b.Hosts(), second.Hosts()...) {
		if out, err := h.Run(t.Context(), "hostname"); err != nil || strings.TrimSpace(out) != h.Name {
			t.Errorf("%s: %q, %v", h.Name, out, err)
		}
	}
}

func TestDetached(t *testing.T) {
	privateCache(t)
	o := small()
	o.Detach = true
	b, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	given(t, b.Dir())
	// As if the process had ended: its pipes close.
	_ = b.life.Close()
	for _, h := range b.Hosts() {
		_ = h.life.Close()
	}
	again, err := Open(b.Dir())
	if err != nil {
		t.Fatal(err)
	}
	h := again.Host("two")
	if out, err := h.Run(t.Context(), "hostname"); err != nil || out != "two\n" {
		t.Fatalf("%q, %v", out, err)
	}
	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := h.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Shell(t, "true")
	gone, err := Down(t.Context())
	if err != nil || !slices.Equal(gone, []string{b.Dir()}) {
		t.Errorf("down: %q, %v", gone, err)
	}
	nothing(t, "after Down")
}

func TestFailedStartLeavesNothing(t *testing.T) {
	privateCache(t)
	b, err := Start(t.Context(), Options{Hosts: []HostOptions{{Name: "one"}, {Name: "two", Services: []string{"mariadb"}, MariaDB: []string{"nonsense=1"}}}})
	if err == nil {
		_ = b.Close()
		t.Fatal("a host without MariaDB was said to have it")
	}
	if !strings.Contains(err.Error(), "host two: mariadb ended") || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error: %v", err)
	}
	if left := residue(t); len(left) > 0 {
		t.Errorf("left by a failed start:\n%s", strings.Join(left, "\n"))
	}
}
