//go:build linux

package testbed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say what a bed is to hold.
type Options struct {
	Hosts []HostOptions
	// Detach leaves the bed running when the process that started it ends.
	// Open finds it again, Down ends it.
	Detach bool
	// Progress gets lines while roots are made, which takes minutes; nil
	// means standard error.
	Progress io.Writer
}

// HostOptions describe one host.
type HostOptions struct {
	Name string // letters, digits and hyphens, at most 12
	// Release is a Debian release by name; "bookworm" if empty.
	Release string
	// Services are started and awaited; nil means sshd alone. AllServices
	// names them.
	Services []string
	// Binlog turns MariaDB's binary log on; Debian has it off.
	Binlog bool
	// WALLevel is PostgreSQL's wal_level, its default if empty.
	WALLevel string
	// MariaDB and Postgres are further lines of their configurations.
	MariaDB, Postgres []string
	// Durable makes fsync mean something, at the price of slower databases.
	// Without it a machine that crashes loses the host, nothing less does.
	Durable bool
}

// Bed is a set of hosts on a network of their own.
type Bed struct {
	dir    string
	record record
	hosts  []*Host
	life   *os.File // write end: its closing ends the keeper
	ended  chan struct{}
	mu     sync.Mutex
}

// Start makes roots that are missing, then the bed. What dead beds left is
// swept away first. On error nothing is left running.
func Start(ctx context.Context, o Options) (*Bed, error) {
	if err := o.valid(); err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	roots, err := Roots(ctx, o.releases(), o.Progress)
	if err != nil {
		return nil, err
	}
	b, err := create(ctx, o, roots)
	if err != nil {
		return nil, err
	}
	if err := b.bringUp(ctx, o); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if o.Detach {
		if err := b.detach(ctx); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

func (o *Options) valid() error {
	if len(o.Hosts) == 0 || len(o.Hosts) > 200 {
		return fmt.Errorf("a bed has 1 to 200 hosts, not %d", len(o.Hosts))
	}
	seen := map[string]bool{}
	for i := range o.Hosts {
		h := &o.Hosts[i]
		if h.Release == "" {
			h.Release = "bookworm"
		}
		if h.Services == nil {
			h.Services = []string{"sshd"}
		}
		if !hostName(h.Name) || seen[h.Name] {
			return fmt.Errorf("host %q: a name is 1 to 12 letters, digits and hyphens, and no other host's", h.Name)
		}
		seen[h.Name] = true
		for _, s := range h.Services {
			if !slices.Contains(allServices, s) {
				return fmt.Errorf("host %s: no service %q: known are %s", h.Name, s, strings.Join(allServices, ", "))
			}
		}
	}
	return nil
}

// hostName keeps a name fit for an interface ("a-" before it), a path and a
// host name.
func hostName(s string) bool {
	for i, c := range s {
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') || c == '-' && i == 0 {
			return false
		}
	}
	return s != "" && len(s) <= 12
}

func (o *Options) releases() []string {
	var out []string
	for _, h := range o.Hosts {
		if !slices.Contains(out, h.Release) {
			out = append(out, h.Release)
		}
	}
	return out
}

// create takes a number, makes the directory and starts the keeper, under
// the lock that all starters share.
func create(ctx context.Context, o Options, roots map[string]string) (*Bed, error) {
	if err := os.MkdirAll(bedsDir(), 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockNumbers(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if _, err := sweep(); err != nil {
		return nil, fmt.Errorf("what an earlier bed left: %w", err)
	}
	n, err := freeNumber()
	if err != nil {
		return nil, err
	}
	b := &Bed{dir: filepath.Join(bedsDir(), strconv.Itoa(n))}
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		return nil, err
	}
	owner, err := processOf(os.Getpid())
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.dir))
	}
	b.record = record{Number: n, Owner: owner, IPv6: hasIPv6()}
	for i, h := range o.Hosts {
		b.record.Hosts = append(b.record.Hosts, hostRecord{Name: h.Name, Release: h.Release, Lower: roots[h.Release], Index: i, Services: h.Services, Durable: h.Durable})
	}
	if err := b.startKeeper(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.dir))
	}
	// From here on the link holds the number.
	if err := b.bridge(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// freeNumber finds a number whose directory, link, subnet and cgroups nobody
// has.
func freeNumber() (int, error) {
	taken := map[string]bool{}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return 0, err
	}
	for _, a := range addresses {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() != nil {
			taken[ip.Mask(net.CIDRMask(24, 32)).String()] = true
		}
	}
	for i := range 254 {
		n := 1 + (firstNumber()+i)%254
		if taken["10.77."+strconv.Itoa(n)+".0"] {
			continue
		}
		if _, err := net.InterfaceByName(linkName(n)); err == nil {
			continue
		}
		if slices.ContainsFunc(append(cgroupDirs(n, ""), filepath.Join(bedsDir(), strconv.Itoa(n))), exists) {
			continue
		}
		return n, nil
	}
	return 0, errors.New("254 beds are running on this machine")
}

// firstNumber makes numbers of the usual cache begin at 1. Tests of this
// package have caches of their own and look for what they leave: they use
// other numbers than tests that run beside them.
func firstNumber() int {
	if os.Getenv(cacheEnv) == "" {
		return 0
	}
	return 127 + os.Getpid()%127
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// hasIPv6 says whether new namespaces will have it.
func hasIPv6() bool {
	b, err := os.ReadFile("/proc/sys/net/ipv6/conf/default/disable_ipv6")
	return err == nil && strings.TrimSpace(string(b)) == "0"
}

func (b *Bed) startKeeper(ctx context.Context) error {
	control, err := listenControl(b.dir)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer control.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	log, err := os.OpenFile(filepath.Join(b.dir, "keeper.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c := exec.Command("/proc/self/exe")
	c.Args = []string{"testbed-keeper"}
	c.Env = []string{roleEnv + "=keeper", dirEnv + "=" + b.dir, cacheEnv + "=" + Cache(), "PATH=" + rootPath}
	c.Dir = "/"
	c.Stdout, c.Stderr = log, log
	c.ExtraFiles = []*os.File{r, null, control}
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setsid: true}
	if err := c.Start(); err != nil {
		_ = w.Close()
		return fmt.Errorf("keeper of the bed: %w", err)
	}
	b.life, b.ended = w, make(chan struct{})
	go func() {
		_ = c.Wait()
		close(b.ended)
	}()
	if b.record.Keeper, err = processOf(c.Process.Pid); err == nil {
		if err = b.record.write(b.dir); err == nil {
			_, err = ask(ctx, b.dir, request{Op: "ready"})
		}
	}
	if err != nil {
		_ = w.Close()
		<-b.ended
		return fmt.Errorf("keeper of the bed: %w: %s", err, tail(log.Name(), 1000))
	}
	return nil
}

func (b *Bed) bringUp(ctx context.Context, o Options) error {
	if err := b.makeKeys(ctx); err != nil {
		return err
	}
	for i := range b.record.Hosts {
		b.hosts = append(b.hosts, &Host{Name: b.record.Hosts[i].Name, bed: b, record: &b.record.Hosts[i]})
	}
	errs := make([]error, len(b.hosts))
	var wg sync.WaitGroup
	for i, h := range b.hosts {
		wg.Go(func() {
			files, err := h.files(o.Hosts[i])
			if err == nil {
				err = h.boot(ctx, files)
			}
			if err != nil {
				errs[i] = fmt.Errorf("host %s: %w", h.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// detach cuts the lifelines without ending what hangs on them.
func (b *Bed) detach(ctx context.Context) error {
	for _, h := range b.hosts {
		if _, err := ask(ctx, h.dir(), request{Op: "detach"}); err != nil {
			return err
		}
	}
	b.mu.Lock()
	b.record.Detached = true
	err := b.record.write(b.dir)
	b.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = ask(ctx, b.dir, request{Op: "detach"})
	return err
}

// Open finds a detached bed by its directory.
func Open(dir string) (*Bed, error) {
	r, err := readRecord(dir)
	if err != nil {
		return nil, fmt.Errorf("bed %s: %w", dir, err)
	}
	if !r.Detached || !r.Keeper.alive() {
		return nil, fmt.Errorf("bed %s does not run on its own", dir)
	}
	b := &Bed{dir: dir, record: r}
	for i := range b.record.Hosts {
		b.hosts = append(b.hosts, &Host{Name: b.record.Hosts[i].Name, bed: b, record: &b.record.Hosts[i]})
	}
	return b, nil
}

// Close ends every process of the bed and removes all it made. It returns
// when nothing is left.
func (b *Bed) Close() error {
	removeLink(b.record.Number)
	for _, h := range b.hosts {
		thaw(b.record.Number, h.Name)
		h.cut()
	}
	if b.life == nil {
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		_, _ = ask(ctx, b.dir, request{Op: "close"})
		if err := b.record.Keeper.gone(30 * time.Second); err != nil {
			return err
		}
	} else {
		_ = b.life.Close()
		<-b.ended
	}
	if _, err := os.Lstat(b.dir); err == nil {
		why := tail(filepath.Join(b.dir, "keeper.log"), 1000)
		if err := destroy(b.dir); err != nil {
			return fmt.Errorf("clean up after the keeper's failure (%s): %w", why, err)
		}
	}
	return nil
}

// Hosts are the bed's hosts in the order of the options.
func (b *Bed) Hosts() []*Host { return slices.Clone(b.hosts) }

// Host returns a host by its name, nil if the bed has none of that name.
func (b *Bed) Host(name string) *Host {
	for _, h := range b.hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Dir is the bed's directory; Close removes it.
func (b *Bed) Dir() string { return b.dir }

// KeyFile is a private key that every host's root accepts.
func (b *Bed) KeyFile() string { return filepath.Join(b.dir, "id_ed25519") }

// KnownHosts holds the host keys of every host, by address and by name.
func (b *Bed) KnownHosts() string { return filepath.Join(b.dir, "known_hosts") }

// makeKeys makes the client's key and one for each host: ssh-keygen writes
// the notation sshd wants.
func (b *Bed) makeKeys(ctx context.Context) error {
	paths := []string{b.KeyFile()}
	for _, h := range b.record.Hosts {
		paths = append(paths, filepath.Join(b.dir, "hostkey-"+h.Name))
	}
	errs := make([]error, len(paths))
	var wg sync.WaitGroup
	for i, p := range paths {
		wg.Go(func() {
			out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "testbed", "-f", p).CombinedOutput()
			if err != nil {
				errs[i] = fmt.Errorf("ssh-keygen: %w: %s", err, out)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var known strings.Builder
	for i := range b.record.Hosts {
		h := &b.record.Hosts[i]
		public, err := os.ReadFile(filepath.Join(b.dir, "hostkey-"+h.Name+".pub"))
		if err != nil {
			return err
		}
		f := strings.Fields(string(public))
		h.Key = f[0] + " " + f[1]
		names := h.Name + "," + b.address(h.Index).String()
		if b.record.IPv6 {
			names += "," + b.address6(h.Index).String()
		}
		fmt.Fprintf(&known, "%s %s\n", names, h.Key)
	}
	return os.WriteFile(b.KnownHosts(), []byte(known.String()), 0o600)
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// Down ends every detached bed and sweeps what dead ones left. It returns the
// directories it removed.
func Down(ctx context.Context) ([]string, error) {
	dirs, err := Beds()
	if err != nil {
		return nil, err
	}
	var (
		done []string
		errs []error
	)
	for _, d := range dirs {
		b, err := Open(d)
		if err != nil {
			continue // a test's bed, which ends with the test
		}
		errs = append(errs, b.Close())
		done = append(done, d)
	}
	swept, err := Sweep(ctx)
	return append(done, swept...), errors.Join(append(errs, err)...)
}

func (s spec) file() (*os.File, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return memory(string(b))
}
