//go:build linux

package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// ownerEnv makes the test program a bed's owner that somebody kills.
const ownerEnv = "STOPOVER_TESTBED_OWNER"

func TestMain(m *testing.M) {
	Main()
	if os.Getenv(ownerEnv) != "" {
		own()
		return
	}
	os.Exit(m.Run())
}

// own starts a bed, says so, and waits to be killed.
func own() {
	b, err := Start(context.Background(), small())
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(b.Dir())
	select {}
}

func small() Options {
	return Options{Hosts: []HostOptions{{Name: "one"}, {Name: "two"}}}
}

func TestTwoReleases(t *testing.T) {
	bed := New(t, Options{Hosts: []HostOptions{
		{Name: "client", Release: "bookworm", Services: AllServices(), Binlog: true, MariaDB: []string{"max_allowed_packet=8M"}},
		{Name: "transit", Release: "trixie", Services: AllServices(), WALLevel: "logical"},
	}})
	client, transit := bed.Host("client"), bed.Host("transit")
	for _, c := range []struct {
		host *Host
		argv []string
		want string
	}{
		{client, []string{"cat", "/etc/hostname"}, "client\n"},
		{client, []string{"sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"}, "bookworm\n"},
		{transit, []string{"sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"}, "trixie\n"},
		{client, []string{"mariadb", "-NBe", "select substring_index(version(),'.',2), @@server_id, @@log_bin, @@max_allowed_packet"}, "10.11\t11\t1\t8388608\n"},
		{transit, []string{"mariadb", "-NBe", "select substring_index(version(),'.',2), @@server_id, @@log_bin"}, "11.8\t12\t0\n"},
		{client, AsPostgres("psql", "-XAtc", "select current_setting('server_version_num')::int/10000, current_setting('wal_level')"), "15|replica\n"},
		{transit, AsPostgres("psql", "-XAtc", "select current_setting('server_version_num')::int/10000, current_setting('wal_level')"), "17|logical\n"},
		{client, []string{"php", "-r", "echo PHP_MAJOR_VERSION.'.'.PHP_MINOR_VERSION;"}, "8.2"},
		{transit, []string{"php", "-r", "echo PHP_MAJOR_VERSION.'.'.PHP_MINOR_VERSION;"}, "8.4"},
		{client, []string{"locale", "-a"}, "C\nC.utf8\nen_US.utf8\nfr_FR.utf8\nPOSIX\n"},
	} {
		if got, err := c.host.Run(t.Context(), c.argv...); err != nil || got != c.want {
			t.Errorf("%s on %s: %q, %v; want %q", c.argv, c.host.Name, got, err, c.want)
		}
	}
	for _, h := range bed.Hosts() {
		for _, port := range []string{"22", "25", "80", "110", "143", "993", "3306", "5432", "8080"} {
			for _, a := range []string{h.Address().String(), h.Address6().String()} {
				if a == "invalid IP" {
					continue
				}
				c, err := net.DialTimeout("tcp", net.JoinHostPort(a, port), 5*time.Second)
				if err != nil {
					t.Errorf("%s, port %s: %v", h.Name, port, err)
					continue
				}
				_ = c.Close()
			}
		}
	}
	for _, h := range bed.Hosts() {
		out, err := h.Run(t.Context(), "exim4", "-bt", "www-data@"+h.Name+".test")
		if err != nil || strings.Contains(out, "undeliverable") || !strings.Contains(out, "router") {
			t.Errorf("mail to %s: %q, %v", h.Name, out, err)
		}
		if name := h.Shell(t, "cat /etc/mailname; grep -rl "+nameInRoot+" /etc /var/lib/exim4 || true"); name != h.Name+".test\n" {
			t.Errorf("mail name of %s: %q", h.Name, name)
		}
	}
	// A host knows the bed's network and no other.
	if out := client.Shell(t, "ip route; ip -6 route show default"); strings.Contains(out, "default") || !strings.Contains(out, "10.77.") {
		t.Errorf("routes of client: %q", out)
	}
	ids := client.Shell(t, "cat /etc/machine-id") + transit.Shell(t, "cat /etc/machine-id")
	if f := strings.Fields(ids); len(f) != 2 || f[0] == f[1] || len(f[0]) != 32 {
		t.Errorf("machine ids: %q", ids)
	}
}

func TestSSH(t *testing.T) {
	bed := New(t, small())
	one, two := bed.Host("one"), bed.Host("two")
	ssh := func(h *Host, user string, argv ...string) (string, error) {
		args := append([]string{"-F", "none", "-i", bed.KeyFile(), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
			"-o", "UserKnownHostsFile=" + bed.KnownHosts(), user + "@" + h.Address().String(), "--"}, argv...)
		out, err := exec.CommandContext(t.Context(), "ssh", args...).CombinedOutput()
		return string(out), err
	}
	if out, err := ssh(one, "root", "hostname"); err != nil || out != "one\n" {
		t.Fatalf("ssh: %q, %v", out, err)
	}
	one.Shell(t, "useradd -m -s /bin/bash alice; echo 'alice:correct horse' | chpasswd")
	if _, err := two.Run(t.Context(), "id", "alice"); err == nil {
		t.Error("a user of one host is on the other")
	}
	if _, err := ssh(one, "alice", "true"); err == nil {
		t.Error("alice is let in by the key of root")
	}
	// A password, asked for by the password prompt's own way.
	if _, err := exec.LookPath("sshpass"); err == nil {
		c := exec.CommandContext(t.Context(), "sshpass", "-e", "ssh", "-F", "none", "-o", "PubkeyAuthentication=no", "-o", "UserKnownHostsFile="+bed.KnownHosts(), "alice@"+one.Address().String(), "id -un")
		c.Env = append(os.Environ(), "SSHPASS=correct horse")
		if out, err := c.CombinedOutput(); err != nil || string(out) != "alice\n" {
			t.Errorf("password: %q, %v", out, err)
		}
	}
	log := one.Shell(t, "cat /var/log/testbed/sshd.log")
	if !strings.Contains(log, "Accepted publickey for root") {
		t.Errorf("sshd's log: %q", log)
	}
}

func TestRun(t *testing.T) {
	h := New(t, small()).Host("one")
	ctx := t.Context()
	var e *ExitError
	out, err := h.Run(ctx, "sh", "-c", "echo out; echo bad >&2; exit 7")
	if !errors.As(err, &e) || e.Code != 7 || e.Stderr != "bad\n" || out != "out\n" {
		t.Errorf("exit status: %q, %v", out, err)
	}
	if _, err := h.Run(ctx, "sh", "-c", "kill -9 $$"); !errors.As(err, &e) || e.Signal != 9 {
		t.Errorf("signal: %v", err)
	}
	if _, err := h.Run(ctx, "no-such-program"); err == nil || errors.As(err, &e) && e.Code == 0 {
		t.Errorf("missing program: %v", err)
	}
	// A daemon left behind holds nobody up.
	if out, err := h.Script(ctx, "sleep 1000 & echo left"); err != nil || out != "left\n" {
		t.Errorf("background: %q, %v", out, err)
	}
	// Who asks no more gets his program killed.
	short, stop := context.WithCancelCause(ctx)
	gaveUp := errors.New("gave up")
	go func() {
		for !running(t, h, "sleep 2000") {
			time.Sleep(5 * time.Millisecond)
		}
		stop(gaveUp)
	}()
	if _, err := h.Run(short, "sleep", "2000"); !errors.Is(err, gaveUp) {
		t.Errorf("cancelled: %v", err)
	}
	for running(t, h, "sleep 2000") {
		time.Sleep(5 * time.Millisecond)
	}
	hostile := "/srv/a b'\"$(touch /oops)\n-x"
	if err := h.WriteFile(ctx, hostile, []byte("text\x00\xff"), 0o640, "www-data:adm"); err != nil {
		t.Fatal(err)
	}
	if b, err := h.ReadFile(ctx, hostile); err != nil || string(b) != "text\x00\xff" {
		t.Errorf("file: %q, %v", b, err)
	}
	if out, err := h.Run(ctx, "stat", "-c", "%a %U %G", "--", hostile); err != nil || out != "640 www-data adm\n" {
		t.Errorf("stat: %q, %v", out, err)
	}
	if _, err := h.Run(ctx, "test", "-e", "/oops"); err == nil {
		t.Error("a file name was run")
	}
	if _, err := os.Stat(hostile); err == nil {
		t.Error("the file is on the machine itself")
	}
}

func running(t *testing.T, h *Host, command string) bool {
	t.Helper()
	ps, err := h.Processes()
	if err != nil {
		t.Error(err)
		return false
	}
	for _, p := range ps {
		if strings.Join(p.Argv, " ") == command {
			return true
		}
	}
	return false
}

// What belongs to the machine is out of a host's reach, even for its root.
func TestHostCannotReachTheMachine(t *testing.T) {
	h := New(t, small()).Host("one")
	for _, argv := range [][]string{
		{"date", "-s", "2020-01-01"},
		{"mknod", "/tmp/disk", "b", "8", "0"},
		{"sh", "-c", "echo x > /proc/sys/kernel/hostname"},
		{"sh", "-c", "echo 1 > /sys/kernel/profiling"},
	} {
		if out, err := h.Run(t.Context(), argv...); err == nil {
			t.Errorf("%s went through: %q", argv, out)
		}
	}
	if out := h.Shell(t, "ls /dev; cat /proc/mounts"); strings.Contains(out, "/dev/vd") || strings.Contains(out, "/dev/sd") {
		t.Errorf("devices of the machine: %s", out)
	}
	ps, err := h.Processes()
	if err != nil || len(ps) == 0 || ps[0].PID != 1 {
		t.Fatalf("processes: %v, %v", ps, err)
	}
}

func TestKillAndBoot(t *testing.T) {
	bed := New(t, Options{Hosts: []HostOptions{{Name: "one", Services: []string{"sshd", "mariadb"}}}})
	h := bed.Host("one")
	h.Shell(t, "mariadb -e 'create database d; create table d.t (i int primary key) engine=InnoDB; insert into d.t values (42)'; echo kept > /etc/kept; sed -i s/gateway/changed/ /etc/hosts")
	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	if h.Alive() {
		t.Error("a killed host is alive")
	}
	if _, err := h.Run(t.Context(), "true"); err == nil {
		t.Error("a dead host runs a program")
	}
	if err := h.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out := h.Shell(t, "mariadb -NBe 'select i from d.t'; cat /etc/kept; grep -c changed /etc/hosts"); out != "42\nkept\n1\n" {
		t.Errorf("after the power failure: %q", out)
	}
	if err := h.Boot(t.Context()); err == nil {
		t.Error("a running host was started again")
	}
}

func TestServices(t *testing.T) {
	h := New(t, Options{Hosts: []HostOptions{{Name: "one", Release: "trixie", Services: AllServices()}}}).Host("one")
	for _, s := range AllServices() {
		if err := h.StopService(t.Context(), s); err != nil {
			t.Errorf("stop %s: %v", s, err)
		}
	}
	ps, err := h.Processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		if p.PID != 1 {
			t.Errorf("still running: %v", p.Argv)
		}
	}
	for _, s := range AllServices() {
		if err := h.StartService(t.Context(), s); err != nil {
			t.Errorf("start %s: %v", s, err)
		}
	}
	h.Shell(t, "echo 'nonsense = true' >> /etc/mysql/mariadb.conf.d/91-testbed.cnf")
	if err := h.StopService(t.Context(), "mariadb"); err != nil {
		t.Fatal(err)
	}
	if err := h.StartService(t.Context(), "mariadb"); err == nil || !strings.Contains(err.Error(), "unknown variable 'nonsense=true'") {
		t.Errorf("a broken configuration: %v", err)
	}
	if err := h.StartService(t.Context(), "gopher"); err == nil || !strings.Contains(err.Error(), "known are sshd") {
		t.Errorf("an unknown service: %v", err)
	}
}

// The lower bounds below hold however busy the machine is.
func TestLinks(t *testing.T) {
	h := New(t, small()).Host("one")
	ctx := t.Context()
	greeting := func() time.Duration {
		t.Helper()
		begun := time.Now()
		c, err := net.DialTimeout("tcp", net.JoinHostPort(h.Address().String(), "22"), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		return time.Since(begun)
	}
	greeting()
	if err := h.Latency(ctx, 60*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if d := greeting(); d < 180*time.Millisecond { // three ways: SYN, SYN-ACK; greeting, at least
		t.Errorf("a greeting took %s over a line of 60 ms", d)
	}
	if err := h.Latency(ctx, 20*time.Millisecond); err != nil { // another delay takes the first one's place
		t.Fatal(err)
	}
	greeting()
	if err := h.Limit(ctx, "10mbit"); err != nil {
		t.Fatal(err)
	}
	if out := h.Shell(t, "tc qdisc show dev eth0"); !strings.Contains(out, "tbf") || !strings.Contains(out, "rate 10Mbit") {
		t.Errorf("limit: %q", out)
	}
	greeting()
	if err := errors.Join(h.Limit(ctx, ""), h.Latency(ctx, 0), h.Latency(ctx, 0)); err != nil {
		t.Fatal(err)
	}
	if out := h.Shell(t, "tc qdisc show dev eth0"); strings.Contains(out, "tbf") {
		t.Errorf("limit is still there: %q", out)
	}
	greeting()
	if err := h.Limit(ctx, "plenty"); err == nil || !strings.Contains(err.Error(), "plenty") {
		t.Errorf("a rate that is none: %v", err)
	}
}

func TestFreeze(t *testing.T) {
	h := New(t, small()).Host("one")
	if len(cgroupRoots()) == 0 {
		t.Skip("no cgroups here")
	}
	if err := h.Freeze(); err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", net.JoinHostPort(h.Address().String(), "22"), 5*time.Second)
	if err != nil {
		t.Fatal(err) // the kernel still takes connections
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("a frozen sshd greets")
	}
	h.Thaw()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("after the thaw: %v", err)
	}
	if err := h.Freeze(); err != nil { // Close must end a frozen host
		t.Fatal(err)
	}
}

func TestOptionsRefused(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{}, "1 to 200"},
		{Options{Hosts: []HostOptions{{Name: "../x"}}}, `host "../x"`},
		{Options{Hosts: []HostOptions{{Name: "a"}, {Name: "a"}}}, "no other host's"},
		{Options{Hosts: []HostOptions{{Name: "a", Services: []string{"nfs"}}}}, `no service "nfs"`},
		{Options{Hosts: []HostOptions{{Name: "a", Release: "--help"}}}, "no name of a Debian release"},
	} {
		b, err := Start(t.Context(), c.options)
		if err == nil {
			_ = b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.options, err, c.want)
		}
	}
}

// What a bed costs does not depend on what else the machine does in its
// processor time, as it does in time; both are reported, of the time the
// median.
func BenchmarkTwoFullHosts(b *testing.B) {
	Need(b)
	var ups, downs []time.Duration
	var cpu time.Duration
	for b.Loop() {
		begun := time.Now()
		bed, err := Start(b.Context(), Options{Hosts: []HostOptions{
			{Name: "client", Release: "bookworm", Services: AllServices()},
			{Name: "transit", Release: "trixie", Services: AllServices()},
		}})
		if err != nil {
			b.Fatal(err)
		}
		ups = append(ups, time.Since(begun))
		for _, h := range bed.Hosts() {
			u, _ := h.Usage() // nothing where nothing is counted
			cpu += u.CPU
		}
		begun = time.Now()
		if err := bed.Close(); err != nil {
			b.Fatal(err)
		}
		downs = append(downs, time.Since(begun))
	}
	b.ReportMetric(median(ups), "up-s")
	b.ReportMetric(median(downs), "down-s")
	b.ReportMetric(cpu.Seconds()/float64(len(ups)), "cpu-s/up")
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)/2].Seconds()
}

func TestUsage(t *testing.T) {
	h := New(t, small()).Host("one")
	if len(cgroupRoots()) == 0 {
		t.Skip("no cgroups here")
	}
	before, err := h.Usage()
	if err != nil {
		t.Fatal(err)
	}
	h.Shell(t, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; cat /proc/*/cmdline > /dev/null 2>&1 || true")
	after, err := h.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if after.CPU <= before.CPU || after.Memory <= 0 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}
