//go:build linux

package testbed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cacheEnv names the directory of roots and beds, if not the usual one.
const cacheEnv = "STOPOVER_TESTBED_CACHE"

// Cache is the directory that holds the roots and the running beds.
func Cache() string {
	if d := os.Getenv(cacheEnv); d != "" {
		return d
	}
	return "/var/cache/stopover/testbed"
}

// Root returns the directory of a Debian release with every package a host
// uses, and makes it if it is not cached: some minutes and several hundred
// megabytes. Two processes that ask for the same root make it once. Progress
// gets a line at every step; it may be nil. Nothing may write into the
// directory afterwards: running hosts lie on it.
func Root(ctx context.Context, release string, progress io.Writer) (string, error) {
	if progress == nil {
		progress = io.Discard
	}
	if !releaseName(release) {
		return "", fmt.Errorf("%q is no name of a Debian release", release)
	}
	dir := rootDir(release)
	if ready(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(Cache(), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, dir+".lock", func() {
		fmt.Fprintf(progress, "%s: another process is making this root, waiting for it\n", release)
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if ready(dir) {
		return dir, nil
	}
	return dir, makeRoot(ctx, release, dir, progress)
}

// Roots makes the roots of several releases at the same time.
func Roots(ctx context.Context, releases []string, progress io.Writer) (map[string]string, error) {
	out := make(map[string]string, len(releases))
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		errs []error
	)
	shared := &lines{w: progress}
	for _, r := range releases {
		wg.Go(func() {
			dir, err := Root(ctx, r, shared)
			mu.Lock()
			defer mu.Unlock()
			out[r] = dir
			if err != nil {
				errs = append(errs, fmt.Errorf("root of %s: %w", r, err))
			}
		})
	}
	wg.Wait()
	return out, errors.Join(errs...)
}

// lines lets several makers of roots write to one writer.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return len(p), nil
	}
	return l.w.Write(p)
}

// releaseName keeps a release from being an option or a path.
func releaseName(s string) bool {
	for _, c := range s {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

// rootDir names a root after all that decides its content.
func rootDir(release string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s", release, strings.Join(packages, " "), preseed)
	for _, f := range rootFiles {
		fmt.Fprintf(h, "%s\n%s\n", f.path, f.text)
	}
	fmt.Fprint(h, afterInstall)
	return filepath.Join(Cache(), release+"-"+hex.EncodeToString(h.Sum(nil))[:12])
}

func ready(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "etc/debian_version"))
	return err == nil
}

// lock takes a flock, telling once that it waits.
func lock(ctx context.Context, path string, waiting func()) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	told := false
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told && waiting != nil {
			told = true
			waiting()
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// makeRoot builds into a temporary name and renames: a root is whole or
// absent. What a killed build left is removed by the next one.
func makeRoot(ctx context.Context, release, dir string, progress io.Writer) error {
	begun := time.Now()
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	m := mirrors()
	b := &build{dir: tmp, release: release, log: dir + ".log", progress: progress}
	if err := os.Remove(b.log); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	args := []string{"debootstrap", "--variant=minbase"}
	if strings.HasPrefix(m.main, "https:") {
		args = append(args, "--include=ca-certificates")
	}
	args = append(args, release, tmp)
	if m.main != "" {
		args = append(args, m.main)
	}
	b.say("debootstrap")
	if err := b.run(ctx, args...); err != nil {
		return err
	}
	if err := b.prepare(m); err != nil {
		return err
	}
	if err := b.install(ctx); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, dir); err != nil {
		return err
	}
	_ = os.Remove(b.log)
	fmt.Fprintf(progress, "%s: root made in %s: %s\n", release, time.Since(begun).Round(time.Second), dir)
	return nil
}

// build is one root in the making.
type build struct {
	dir, release, log string
	progress          io.Writer
}

func (b *build) say(step string) { fmt.Fprintf(b.progress, "%s: %s\n", b.release, step) }

// run runs a command in its own mount and pid namespace: what it mounts is
// gone with it, and so is every process it started.
func (b *build) run(ctx context.Context, argv ...string) error {
	log, err := os.OpenFile(b.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--pid", "--fork", "--kill-child", "--"}, argv...)...)
	c.Env = append(proxies(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "PATH="+rootPath, "HOME=/root")
	c.Stdout, c.Stderr = log, log
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w; the end of %s:\n%s", argv[0], err, b.log, tail(b.log, 1500))
	}
	return nil
}

func (b *build) prepare(m mirror) error {
	files := append([]file{
		{path: "/etc/apt/sources.list", text: m.sources(b.release), mode: 0o644},
		{path: "/usr/sbin/policy-rc.d", text: "#!/bin/sh\nexit 101\n", mode: 0o755},
	}, rootFiles...)
	for _, f := range files {
		if err := f.write(b.dir); err != nil {
			return err
		}
	}
	return nil
}

// install installs the packages. When an archive of updates lists what it
// does not have, which old releases' do, the release as it was published is
// taken instead.
func (b *build) install(ctx context.Context) error {
	err := b.packages(ctx)
	if err != nil && ctx.Err() == nil && strings.Contains(tail(b.log, 8000), "404") {
		b.say("the archive of updates is out of step with its list: taking the release as published")
		all := mirrors()
		f := file{path: "/etc/apt/sources.list", text: mirror{main: all.main}.sources(b.release), mode: 0o644}
		if err := f.write(b.dir); err != nil {
			return err
		}
		err = b.packages(ctx)
	}
	if err != nil {
		return err
	}
	b.say("settings of a test host")
	return b.inside(ctx, afterInstall)
}

func (b *build) packages(ctx context.Context) error {
	b.say("package lists")
	if err := b.run(ctx, "chroot", b.dir, "apt-get", "update", "-q"); err != nil {
		return err
	}
	b.say("locales")
	if err := b.inside(ctx, "printf %s '"+preseed+"' | debconf-set-selections; apt-get install -y -q locales"); err != nil {
		return err
	}
	b.say(fmt.Sprintf("%d packages and what they need", len(packages)))
	return b.inside(ctx, "export LC_ALL=en_US.UTF-8; apt-get install -y -q "+strings.Join(packages, " "))
}

// inside runs a script of this package in the root, with its own /proc.
func (b *build) inside(ctx context.Context, script string) error {
	return b.run(ctx, "sh", "-ec", "mount -t proc proc \"$1/proc\"; chroot \"$1\" sh -ec \"$2\"", "sh", b.dir, script)
}

func proxies() []string {
	var out []string
	for _, n := range []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		if v, ok := os.LookupEnv(n); ok {
			out = append(out, n+"="+v)
		}
	}
	return out
}

// tail is the end of a file, for an error.
func tail(path string, n int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if i, err := f.Stat(); err == nil && i.Size() > n {
		_, _ = f.Seek(-n, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, n))
	return strings.ToValidUTF8(string(b), "?")
}
