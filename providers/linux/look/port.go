//go:build linux

package look

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// socket is one line of /proc/net/tcp and its kin: somebody listens.
type socket struct {
	protocol string
	address  netip.Addr
	port     int
	uid      int
	inode    string
}

const (
	maxSockets   = 20_000
	maxProcesses = 200_000
	maxFds       = 4096 // of one process: listening ones are among the first
	maxAllFds    = 1_000_000
)

// parseSockets reads the listening sockets of one file of /proc/net. Of UDP
// those count that are bound and not connected.
func parseSockets(protocol string, b []byte) (list []socket) {
	state := "0A"
	if protocol == "udp" {
		state = "07"
	}
	lines(b, func(n int, line string) bool {
		f := strings.Fields(line)
		if n == 1 || len(f) < 10 || f[3] != state {
			return true
		}
		a, p, ok := socketAddress(f[1])
		uid, err := strconv.Atoi(f[7])
		if ok && err == nil && p != 0 {
			list = append(list, socket{protocol, a, p, uid, f[9]})
		}
		return len(list) < maxSockets
	})
	return list
}

// socketAddress reads 0100007F:0019: words of 32 bits in the machine's byte
// order, port in plain hexadecimal.
func socketAddress(s string) (a netip.Addr, port int, ok bool) {
	h, p, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(h)
	n, err2 := strconv.ParseUint(p, 16, 16)
	if err != nil || err2 != nil || len(raw) != 4 && len(raw) != 16 {
		return a, 0, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	a, ok = netip.AddrFromSlice(raw)
	return a, int(n), ok
}

// sockets lists everything that is listened on in the machine's own network.
func (r root) sockets() (list []socket) {
	for _, f := range []struct{ protocol, path string }{{"tcp", "tcp"}, {"tcp", "tcp6"}, {"udp", "udp"}, {"udp", "udp6"}} {
		b, _ := r.read("/proc/net/"+f.path, bigFile)
		list = append(list, parseSockets(f.protocol, b)...)
	}
	return list
}

// ports lists who listens on what.
func (r root) ports() []schema.Port {
	sockets := r.sockets()
	wanted := map[string]bool{}
	for _, s := range sockets {
		wanted[s.inode] = true
	}
	holders := r.holders(wanted)
	var list []schema.Port
	for _, s := range sockets {
		p := schema.Port{Protocol: s.protocol, Address: s.address.String(), Port: s.port, UID: s.uid}
		if h, ok := holders[s.inode]; ok {
			p.Program = h.program
			if p.UID == 0 {
				p.UID = h.uid // opened as root, held by whom it serves
			}
		}
		list = append(list, p)
	}
	slices.SortFunc(list, comparePort)
	return slices.Compact(list)
}

func comparePort(x, y schema.Port) int {
	return cmp.Or(cmp.Compare(x.Protocol, y.Protocol), cmp.Compare(x.Port, y.Port), cmp.Compare(x.Address, y.Address), cmp.Compare(x.Program, y.Program), cmp.Compare(x.UID, y.UID))
}

type holder struct {
	program string
	pid     int
	uid     int
}

// holders finds the processes behind sockets, by inode. Of several the one with
// the lowest number is the one that the others come from.
func (r root) holders(wanted map[string]bool) map[string]holder {
	held := map[string]holder{}
	if len(wanted) == 0 {
		return held
	}
	looked := 0
	for _, pid := range r.pids() {
		dir := "/proc/" + strconv.Itoa(pid)
		fds, err := r.list(dir + "/fd")
		if looked += min(len(fds), maxFds); err != nil || looked > maxAllFds {
			continue // it has ended, or is somebody else's
		}
		var found []string
		for i, e := range fds {
			if i > maxFds {
				break
			}
			if in, ok := strings.CutPrefix(r.link(filepath.Join(dir, "fd", e.Name())), "socket:["); ok {
				if in = strings.TrimSuffix(in, "]"); wanted[in] {
					found = append(found, in)
				}
			}
		}
		if len(found) == 0 {
			continue
		}
		h := holder{program: r.word(dir + "/comm"), pid: pid, uid: r.processUID(dir)}
		for _, in := range found {
			if _, ok := held[in]; !ok {
				held[in] = h
			}
		}
	}
	return held
}

// pids lists the running processes by number.
func (r root) pids() (list []int) {
	entries, _ := r.list("/proc")
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && len(list) < maxProcesses {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// processUID is the user that a process acts as.
func (r root) processUID(dir string) int {
	b, _ := r.read(dir+"/status", 64<<10)
	uid := 0
	lines(b, func(_ int, line string) bool {
		if v, ok := strings.CutPrefix(line, "Uid:"); ok {
			if f := strings.Fields(v); len(f) >= 2 {
				uid, _ = strconv.Atoi(f[1])
			}
			return false
		}
		return true
	})
	return uid
}

// process is one running process, as far as services want to know it.
type process struct {
	pid, uid int
	group    string // of systemd: "/system.slice/nginx.service"
	command  string
	program  string
	exe      string // path of what it runs; of an interpreter's script the interpreter
}

// processes reads all running processes.
func (r root) processes() (list []process) {
	for _, pid := range r.pids() {
		dir := "/proc/" + strconv.Itoa(pid)
		st, err := r.stat(dir)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			continue
		}
		b, _ := r.read(dir+"/cgroup", 64<<10)
		arg, _ := r.read(dir+"/cmdline", 64<<10)
		list = append(list, process{
			pid: pid, uid: r.processUID(dir), group: serviceGroup(b), program: r.word(dir + "/comm"), exe: strings.TrimSuffix(r.link(dir+"/exe"), " (deleted)"),
			command: strings.TrimRight(strings.ReplaceAll(string(arg), "\x00", " "), " "),
		})
	}
	return list
}

// serviceGroup is the control group in which systemd keeps a process: of
// version 2 the only one, of version 1 the one named systemd.
func serviceGroup(b []byte) (path string) {
	lines(b, func(_ int, line string) bool {
		f := strings.SplitN(line, ":", 3)
		if len(f) == 3 && (f[1] == "" || f[1] == "name=systemd") && f[2] != "/" {
			path = f[2]
		}
		return true
	})
	return path
}
