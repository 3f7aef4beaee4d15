//go:build linux

package testbed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Snapshot is a host at one moment: a fact's name, such as "file /etc/passwd",
// "user alice", "mariadb shop", "port tcp 0.0.0.0:25", and its value.
type Snapshot map[string]string

// moving names trees that change while a host does nothing.
func moving() []string {
	return []string{"/var/lib/mysql", "/var/lib/postgresql", "/var/log", "/var/lib/lastlog", "/var/lib/wtmpdb", "/run/utmp", "/run/postgresql"}
}

// Snapshot tells everything about a host that a look at it must not change:
// every file that is not of the release's root (mode, owner, size, time,
// content; deleted ones too), users, every database's content and the
// engines' users, processes by owner and arguments, listening ports. What
// lies below a path of ignore is left out, as are the engines' own files and
// /var/log.
func (h *Host) Snapshot(ctx context.Context, ignore ...string) (Snapshot, error) {
	s := Snapshot{}
	ignore = append(moving(), ignore...)
	err := errors.Join(
		// The host's own layer is all that differs from its root.
		s.files(filepath.Join(h.dir(), "upper"), "/", ignore),
		s.files(h.Root()+"/tmp", "/tmp", ignore),
		s.files(h.Root()+"/run", "/run", ignore),
		s.files(h.Root()+"/dev/shm", "/dev/shm", ignore),
		s.users(ctx, h),
		s.mariadb(ctx, h),
		s.postgres(ctx, h),
		s.ports(h),
	)
	if err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", h.Name, err)
	}
	ps, err := h.Processes()
	if err != nil {
		return nil, err
	}
	for _, p := range ps {
		// The databases' and Dovecot's helpers come and go by themselves.
		if a := p.Argv[0]; a == "postgres" || strings.HasPrefix(a, "postgres: ") || strings.HasPrefix(a, "dovecot/") {
			continue
		}
		k := fmt.Sprintf("process of %d: %s", p.UID, strings.Join(p.Argv, " "))
		n, _ := strconv.Atoi(s[k])
		s[k] = strconv.Itoa(n + 1)
	}
	return s, nil
}

// Diff lists what is different in other, sorted: "+" new there, "-" missing
// there, "~" changed.
func (s Snapshot) Diff(other Snapshot) []string {
	var out []string
	for k, v := range s {
		if w, ok := other[k]; !ok {
			out = append(out, "- "+k+": "+v)
		} else if v != w {
			out = append(out, "~ "+k+": "+v+" -> "+w)
		}
	}
	for k, v := range other {
		if _, ok := s[k]; !ok {
			out = append(out, "+ "+k+": "+v)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(a[2:], b[2:]) })
	return out
}

func (s Snapshot) files(dir, at string, ignore []string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		name := filepath.Join(at, strings.TrimPrefix(p, dir))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went while we looked
		}
		if err != nil {
			return err
		}
		if p == dir { // daemons make and remove files in /tmp: its own time says nothing
			return nil
		}
		if slices.Contains(ignore, name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		v, err := describeFile(p, d)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		s["file "+name] = v
		return nil
	})
}

func describeFile(path string, d fs.DirEntry) (string, error) {
	i, err := d.Info()
	if err != nil {
		return "", err
	}
	st := i.Sys().(*syscall.Stat_t)
	what := ""
	switch m := i.Mode(); {
	case m&os.ModeCharDevice != 0 && st.Rdev == 0:
		return "deleted", nil
	case m&os.ModeSymlink != 0:
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		what = " -> " + to
	case m.IsRegular():
		sum, err := sumOf(path)
		if err != nil {
			return "", err
		}
		what = fmt.Sprintf(" %d bytes %s", i.Size(), sum)
	}
	return fmt.Sprintf("%s %d:%d %s%s", i.Mode(), st.Uid, st.Gid, i.ModTime().UTC().Format("2006-01-02T15:04:05.000000000"), what), nil
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

func (s Snapshot) users(ctx context.Context, h *Host) error {
	for _, name := range []string{"passwd", "group", "shadow"} {
		b, err := h.ReadFile(ctx, "/etc/"+name)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			who, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
			s[name+" "+who] = rest
		}
	}
	return nil
}

func (s Snapshot) mariadb(ctx context.Context, h *Host) error {
	names, err := h.Run(ctx, "mariadb", "-NBe", "show databases")
	if err != nil {
		return h.unlessDown(err, "mysqld.sock")
	}
	tables, err := h.Run(ctx, "mariadb", "-NBe", "select * from mysql.global_priv; select * from mysql.db; select * from mysql.tables_priv; select * from mysql.roles_mapping")
	if err != nil {
		return err
	}
	s["mariadb users"] = shortSum(tables)
	for name := range strings.Lines(names) {
		name = strings.TrimSuffix(name, "\n")
		if slices.Contains([]string{"mysql", "sys", "information_schema", "performance_schema"}, name) {
			continue
		}
		dump, err := h.Run(ctx, "mariadb-dump", "--single-transaction", "--routines", "--events", "--triggers", "--skip-dump-date", "--databases", "--", name)
		if err != nil {
			return err
		}
		s["mariadb "+name] = shortSum(dump)
	}
	return nil
}

// AsPostgres is the argv that runs a program as PostgreSQL's administrator.
func AsPostgres(argv ...string) []string {
	return append([]string{"setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups", "--"}, argv...)
}

func (s Snapshot) postgres(ctx context.Context, h *Host) error {
	names, err := h.Run(ctx, AsPostgres("psql", "-XAtc", "select datname from pg_database where datallowconn order by 1")...)
	if err != nil {
		return h.unlessDown(err, ".s.PGSQL")
	}
	globals, err := h.Run(ctx, AsPostgres("pg_dumpall", "--globals-only")...)
	if err != nil {
		return err
	}
	s["postgres users"] = shortSum(withoutTokens(globals))
	for name := range strings.Lines(names) {
		name = strings.TrimSuffix(name, "\n")
		// As dbname, a name with "=" would be a connection string.
		dump, err := h.Run(ctx, AsPostgres("env", "PGDATABASE="+name, "pg_dump", "--create")...)
		if err != nil {
			return err
		}
		s["postgres "+name] = shortSum(withoutTokens(dump))
	}
	return nil
}

// withoutTokens takes out the lines in which a dump has a new random word
// every time.
func withoutTokens(dump string) string {
	var out strings.Builder
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, `\restrict `) && !strings.HasPrefix(line, `\unrestrict `) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// unlessDown passes an error on unless it says that the engine does not run.
func (h *Host) unlessDown(err error, socket string) error {
	var e *ExitError
	if errors.As(err, &e) && strings.Contains(e.Stderr, socket) {
		return nil
	}
	return err
}

func shortSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%d bytes %s", len(text), hex.EncodeToString(sum[:8]))
}

func (s Snapshot) ports(h *Host) error {
	for _, kind := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", h.PID(), kind))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			// 0A is LISTEN; 07 is what an unconnected UDP socket shows.
			if len(f) < 10 || f[3] != "0A" && f[3] != "07" {
				continue
			}
			host, port, _ := strings.Cut(f[1], ":")
			n, err := strconv.ParseUint(port, 16, 16)
			if err != nil {
				return err
			}
			s[fmt.Sprintf("port %s %s %d", kind, host, n)] = "uid " + f[7]
		}
	}
	return nil
}

// Process is a process of a host, with the numbers the host gives it.
type Process struct {
	PID, PPID, UID int
	Argv, Environ  []string
}

// Processes lists what runs on the host, by pid. Argv has at least one
// element.
func (h *Host) Processes() ([]Process, error) {
	proc := h.Root() + "/proc"
	found, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	out := map[int]Process{}
	for _, d := range found {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(filepath.Join(proc, d.Name())); ok {
			p.PID = pid
			out[pid] = p
		}
	}
	return slices.SortedFunc(maps.Values(out), func(a, b Process) int { return a.PID - b.PID }), nil
}

// readProcess reports false for a process that ended meanwhile.
func readProcess(dir string) (Process, bool) {
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return Process{}, false
	}
	p := Process{}
	name := ""
	for line := range strings.Lines(string(status)) {
		k, v, _ := strings.Cut(line, ":")
		switch f := strings.Fields(v); {
		case len(f) == 0:
		case k == "Name":
			name = f[0]
		case k == "PPid":
			p.PPID, _ = strconv.Atoi(f[0])
		case k == "Uid":
			p.UID, _ = strconv.Atoi(f[0])
		}
	}
	p.Argv = zeroed(dir + "/cmdline")
	if len(p.Argv) == 0 {
		p.Argv = []string{name}
	}
	p.Environ = zeroed(dir + "/environ")
	return p, true
}

func zeroed(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
}
