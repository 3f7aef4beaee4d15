package description

import (
	"fmt"
	"net/netip"
)

// Server is what a pocket server is: the content of server.json.
type Server struct {
	Name            string            `json:"name"`
	Architecture    string            `json:"architecture"`
	HTTPPort        int               `json:"http_port"` // 0: any free port, for tests
	SMTPPort        int               `json:"smtp_port"` // 0: any free port, for tests
	Serves          []string          `json:"serves"`    // service addresses that are its own
	Runtimes        []Runtime         `json:"runtimes,omitempty"`
	Engines         []Engine          `json:"engines,omitempty"`
	RemovedRuntimes []Runtime         `json:"removed_runtimes,omitempty"` // can be put back
	Options         map[string]string `json:"options,omitempty"`
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
	Version string `json:"version"`
}

// Runtime returns the installed runtime of that name and version. A removed
// runtime is not installed.
func (s *Server) Runtime(name, version string) (Runtime, bool) {
	for _, r := range s.Runtimes {
		if r.Name == name && r.Version == version {
			return r, true
		}
	}
	return Runtime{}, false
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
		p.element(at+".version", e.Version)
		p.once(seen, at, e.Name+" "+e.Version)
	}
	return p.err()
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
