package description

import (
	"fmt"
	"net/netip"
	"strings"
)

// Server is what a pocket server is: the content of server.json.
type Server struct {
	Name            string    `json:"name"`
	Architecture    string    `json:"architecture"`
	HTTPPort        int       `json:"http_port"` // 0: any free port, for tests
	SMTPPort        int       `json:"smtp_port"` // 0: any free port, for tests
	Serves          []string  `json:"serves"`    // service addresses that are its own
	Runtimes        []Runtime `json:"runtimes,omitempty"`
	Engines         []Engine  `json:"engines,omitempty"`
	RemovedRuntimes []Runtime `json:"removed_runtimes,omitempty"` // can be put back
	Names           []string  `json:"names,omitempty"`            // host names that are its own
	Outgoing        []string  `json:"outgoing,omitempty"`         // addresses that connections from it come from
	// DiskBytes and DiskInodes are the size of its disk, where that is less than
	// the file system it lies on; 0: that of the file system. Nothing enforces
	// them: they are what surveys and trials count with.
	DiskBytes  int64             `json:"disk_bytes,omitempty"`
	DiskInodes int64             `json:"disk_inodes,omitempty"`
	Options    map[string]string `json:"options,omitempty"`
}

// Runtime is a language runtime that is installed in
// DIR/runtimes/<name>/<version>/. Path is its executable in there.
type Runtime struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Path    string `json:"path"`
}

// Engine is a database engine that the server offers.
type Engine struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // empty: that of the library, which the server finds out
}

// Runtime returns the installed runtime of that name and version, or of the line
// that the version is part of: who uses 8.3.1 runs on 8.3 where there is no
// other. A removed runtime is not installed.
func (s *Server) Runtime(name, version string) (Runtime, bool) {
	var best Runtime
	for _, r := range s.Runtimes {
		switch {
		case r.Name != name:
		case r.Version == version:
			return r, true
		case strings.HasPrefix(version, r.Version+".") && len(r.Version) > len(best.Version):
			best = r
		}
	}
	return best, best.Version != ""
}

// Validate returns everything that is wrong with the description, as one
// Problems error, or nil.
func (s *Server) Validate() error {
	var p problems
	p.check(s.Name != "", "name", "is missing")
	p.name("name", s.Name)
	p.check(s.Architecture != "", "architecture", "is missing")
	p.name("architecture", s.Architecture)
	p.port("http_port", s.HTTPPort)
	p.port("smtp_port", s.SMTPPort)
	p.check(s.HTTPPort == 0 || s.HTTPPort != s.SMTPPort, "smtp_port", "is the same as http_port; choose another one")
	seen := map[string]bool{}
	for i, a := range s.Serves {
		at := fmt.Sprintf("serves[%d]", i)
		ip, err := netip.ParseAddr(a)
		p.check(err == nil && ip.IsLoopback() && ip.Zone() == "", at, "%q is not a loopback address like 127.0.0.10", a)
		p.check(err != nil || ip.String() == a, at, "%q is not written in its usual form (%s)", a, ip)
		p.once(seen, at, a)
	}
	seen = map[string]bool{}
	p.runtimes("runtimes", s.Runtimes, seen)
	p.runtimes("removed_runtimes", s.RemovedRuntimes, seen) // installed or removed, not both
	seen = map[string]bool{}
	for i, e := range s.Engines {
		at := fmt.Sprintf("engines[%d]", i)
		p.element(at+".name", e.Name)
		if e.Version != "" {
			p.element(at+".version", e.Version)
		}
		p.once(seen, at, e.Name+" "+e.Version)
	}
	s.validateNames(&p)
	p.check(s.DiskBytes >= 0, "disk_bytes", "is negative")
	p.check(s.DiskInodes >= 0, "disk_inodes", "is negative")
	return p.err()
}

func (s *Server) validateNames(p *problems) {
	seen := map[string]bool{}
	for i, n := range s.Names {
		at := fmt.Sprintf("names[%d]", i)
		p.domain(at, n)
		p.once(seen, at, n)
	}
	seen = map[string]bool{}
	for i, a := range s.Outgoing {
		at := fmt.Sprintf("outgoing[%d]", i)
		ip, err := netip.ParseAddr(a)
		p.check(err == nil && ip.Zone() == "", at, "%q is not an address", a)
		p.check(err != nil || ip.String() == a, at, "%q is not written in its usual form (%s)", a, ip)
		p.once(seen, at, a)
	}
}

func (p *problems) runtimes(at string, list []Runtime, seen map[string]bool) {
	for i, r := range list {
		at := fmt.Sprintf("%s[%d]", at, i)
		p.element(at+".name", r.Name)
		p.element(at+".version", r.Version)
		p.local(at+".path", r.Path)
		p.once(seen, at, r.Name+" "+r.Version)
	}
}
