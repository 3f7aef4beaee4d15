// Package testbed starts real hosts on one Linux machine: Debian servers of
// different releases, each with its own processes, files, users, network and
// services. It needs root and neither containers nor systemd.
//
// A test that uses it says so first of all, because the processes of a bed
// are the test program itself, run again:
//
//	func TestMain(m *testing.M) {
//		testbed.Main()
//		os.Exit(m.Run())
//	}
//
//	func TestSurvey(t *testing.T) {
//		bed := testbed.New(t, testbed.Options{Hosts: []testbed.HostOptions{
//			{Name: "client", Release: "bookworm", Services: testbed.AllServices()},
//			{Name: "transit", Release: "trixie", Services: []string{"sshd", "mariadb"}},
//		}})
//		client := bed.Host("client")
//		client.Shell(t, "useradd -m alice; echo alice:secret | chpasswd")
//		out, err := client.Run(t.Context(), "id", "-u", "alice")
//		...
//		// ssh -i bed.KeyFile() -o UserKnownHostsFile=bed.KnownHosts() root@client.Address()
//	}
//
// New skips (loudly) where a bed cannot run and fails there with CI=true; it
// closes the bed when the test ends. Start and Close do the same without a
// test. Files that import this package need the build constraint linux.
//
// # What a host is
//
// An overlay over a cached root of its release (Root makes it, once, in some
// minutes), own mount, pid, network, uts and ipc namespaces, an init that
// reaps, starts services and keeps a syslog. Services run as in Debian; sshd
// takes the bed's key for root and passwords for users; Apache listens on
// port 8080 because nginx has 80; Dovecot keeps mail in ~/Maildir and lets
// passwords pass without TLS; MariaDB's and PostgreSQL's root come through
// their sockets (mariadb -e ..; setpriv --reuid postgres --regid postgres
// --init-groups psql ..). A host can mount: a full disk is
// h.Shell(t, "mount -t tmpfs -o size=1m none /var/lib/stopover"), a noexec
// directory likewise. It cannot set the machine's clock, load modules, make
// devices or write to /sys.
//
// # Network
//
// Bed number N has 10.77.N.0/24 and fd00:77:N::/64: hosts from .11 on, the
// caller .1. The bridge is in a namespace of its own and hosts have no default
// route: only the caller's machine reaches them, and they reach nothing else.
// Several beds run side by side. Limit and Latency make the link worse, Kill
// and Boot are a power failure, Freeze and Thaw a machine that hangs.
//
// # How nothing stays
//
// A keeper process holds the bridge's namespace and the bed's lock. Hosts and
// keeper hold the read end of pipes to the owner: when it ends, killed or
// not, they end, and the keeper removes directories and cgroups. If the
// keeper is killed too, the next Start, or Down, sweeps.
package testbed
