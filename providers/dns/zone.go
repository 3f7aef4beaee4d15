package dns

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/miekg/dns"

	"github.com/stopover/stopover/schema"
)

// maxZoneFile bounds a zone file, in bytes.
const maxZoneFile = 64 << 20

// zones answers from a zone file. It may hold several zones; each begins with
// its SOA.
type zones struct {
	path  string
	byKey map[key][]dns.RR
	names map[string]bool // every name that exists, those above a record too
	apex  map[string]bool
}

type key struct {
	name string
	kind uint16
}

func readZones(path string) (*zones, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("zone file: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxZoneFile+1))
	if err != nil {
		return nil, fmt.Errorf("zone file: %w", err)
	}
	if len(src) > maxZoneFile {
		return nil, fmt.Errorf("zone file %s is larger than %d MB", path, maxZoneFile>>20)
	}
	return parseZones(filepath.Base(path), src)
}

func parseZones(name string, src []byte) (*zones, error) {
	z := &zones{path: name, byKey: map[key][]dns.RR{}, names: map[string]bool{}, apex: map[string]bool{}}
	p := dns.NewZoneParser(bytes.NewReader(src), ".", name)
	p.SetIncludeAllowed(false)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		owner := Fold(rr.Header().Name)
		k := key{owner, rr.Header().Rrtype}
		z.byKey[k] = append(z.byKey[k], rr)
		if k.kind == dns.TypeSOA {
			z.apex[owner] = true
		}
		for at := owner; at != "" && !z.names[at]; _, at, _ = strings.Cut(at, ".") {
			z.names[at] = true
		}
	}
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("zone file %w", err) // the parser names the file
	}
	if len(z.apex) == 0 {
		return nil, fmt.Errorf("zone file %s holds no SOA record: each zone begins with one", name)
	}
	return z, nil
}

func (z *zones) title() string { return "zone file " + z.path }

// zoneOf is the apex of the zone that a name is in; empty: of none.
func (z *zones) zoneOf(name string) string {
	for at := name; at != ""; _, at, _ = strings.Cut(at, ".") {
		if z.apex[at] {
			return at
		}
	}
	return ""
}

func (z *zones) ask(_ context.Context, name string, kind uint16) (answer, error) {
	at := Fold(name)
	out := answer{apex: z.zoneOf(at)}
	if out.apex == "" {
		return out, fmt.Errorf("%s is in no zone of the zone file %s", schema.QuoteName(name), z.path)
	}
	for range 16 {
		owner, exists := z.owner(at)
		if !exists {
			out.missing = len(out.records) == 0
			return out, nil
		}
		if list := z.byKey[key{owner, kind}]; len(list) > 0 {
			out.records = append(out.records, named(list, at)...)
			return out, nil
		}
		alias := z.byKey[key{owner, dns.TypeCNAME}]
		if len(alias) == 0 {
			return out, nil
		}
		out.records = append(out.records, named(alias[:1], at)...)
		c, ok := alias[0].(*dns.CNAME)
		if !ok {
			return out, nil
		}
		at = Fold(c.Target)
		if z.zoneOf(at) == "" {
			return out, nil // it leads out of what the file knows
		}
	}
	return out, nil
}

// owner is the name that answers for another: itself, or a wildcard (RFC 4592).
func (z *zones) owner(name string) (string, bool) {
	if z.names[name] {
		return name, true
	}
	apex := z.zoneOf(name)
	for _, at, ok := strings.Cut(name, "."); ok; _, at, ok = strings.Cut(at, ".") {
		if w := "*." + at; z.names[w] {
			return w, true
		}
		if z.names[at] || at == apex {
			return "", false // the closest name that exists has no wildcard
		}
	}
	return "", false
}

// named are records as they answer for a name: a wildcard's own is another.
func named(list []dns.RR, name string) []dns.RR {
	out := make([]dns.RR, len(list))
	for i, rr := range list {
		out[i] = dns.Copy(rr)
		out[i].Header().Name = dns.Fqdn(name)
	}
	return out
}
