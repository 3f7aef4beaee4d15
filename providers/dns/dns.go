// Package dns looks up what DNS says of the names that accounts have. It reads
// only: Stopover never changes a record.
//
// Who is asked is the configuration's business: name servers, or a zone file
// (RFC 1035) for tests and for work without a network.
package dns

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/sync/errgroup"

	"github.com/miekg/dns"

	"github.com/stopover/stopover/schema"
)

// Values of FoundName.Managed.
const (
	Provider = "provider" // the zone is on the hosting company's name servers
	External = "external"
	Unknown  = "unknown"
)

// atOnce bounds the questions under way: a resolver that is asked for
// everything at once answers nothing.
const atOnce = 16

// Bounds of what is kept of one name: a zone belongs to whoever wrote it.
const (
	maxRecords = 64
	maxValue   = 512
)

// Survey asks for every name. What could not be found out about a name is its
// Error; the error here is for a configuration that cannot be used. dir is
// where a relative zone file starts.
func Survey(ctx context.Context, cfg schema.Resolver, dir string, names []string, now func() time.Time) (*schema.FoundDNS, error) {
	r, err := open(cfg, dir)
	if err != nil {
		return nil, err
	}
	names = slices.Clone(names)
	for i, n := range names {
		names[i] = Fold(n)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	out := &schema.FoundDNS{Resolver: r.title(), Names: make([]schema.FoundName, len(names))}
	s := &surveyor{source: r, provider: folded(cfg.Provider), zones: map[string]*zone{}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, i := range mixed(names) {
		name := names[i]
		g.Go(func() error {
			out.Names[i] = s.name(ctx, name)
			out.Names[i].Checked = now().UTC().Truncate(time.Second)
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("look up names: %w", err)
	}
	return out, nil
}

// mixed is an order in which the names of one owner do not follow each other,
// the same one for the same names: who lets all of theirs go unanswered is not
// taken for servers that are away.
func mixed(names []string) []int {
	sums := make([]uint64, len(names))
	order := make([]int, len(names))
	for i, n := range names {
		h := fnv.New64a()
		_, _ = h.Write([]byte(n))                           // never fails
		sums[i], order[i] = h.Sum64()*0x9e3779b97f4a7c15, i // the last bytes of a name are mixed into the first bits
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(sums[a], sums[b]), cmp.Compare(a, b)) })
	return order
}

// Fold brings a name into the form in which names are compared: lower case,
// without the last dot.
func Fold(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func folded(list []string) []string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = Fold(n)
	}
	return out
}

// source answers questions: name servers, or a zone file.
type source interface {
	title() string
	// ask returns the records that answer, a CNAME chain included, and whether
	// the name does not exist.
	ask(ctx context.Context, name string, kind uint16) (answer, error)
}

// answer is what one question brought.
type answer struct {
	records []dns.RR
	missing bool   // the name does not exist
	apex    string // zone that the answer came from, if it says so; folded
}

func open(cfg schema.Resolver, dir string) (source, error) {
	if cfg.ZoneFile != "" {
		path := cfg.ZoneFile
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return readZones(path)
	}
	return newServers(cfg)
}

// surveyor looks at names, and at each zone once.
type surveyor struct {
	source   source
	provider []string // name servers of the hosting company

	mu    sync.Mutex
	zones map[string]*zone // by apex
}

// zone is what is known of a zone; once is done when managed is set.
type zone struct {
	once    sync.Once
	managed string
	err     error
}

// kinds are the records that are looked at. NS is asked of the zone.
var kinds = [...]uint16{dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypeTXT, dns.TypeCAA}

func (s *surveyor) name(ctx context.Context, name string) schema.FoundName {
	out := schema.FoundName{Name: name, Managed: Unknown}
	ascii, err := wire(name)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	for _, kind := range kinds {
		a, err := s.source.ask(ctx, ascii, kind)
		if err != nil {
			out.Error = err.Error()
			return out
		}
		if out.Zone == "" {
			out.Zone = a.apex
		}
		if a.missing {
			out.Missing = true
			break
		}
		out.Records = append(out.Records, recordsOf(a.records, kind)...)
	}
	if out.Zone == "" || !dns.IsSubDomain(dns.Fqdn(out.Zone), dns.Fqdn(ascii)) {
		out.Zone, err = s.apex(ctx, ascii)
	}
	if err == nil && out.Zone != "" {
		out.Managed, err = s.managed(ctx, out.Zone)
	}
	if err != nil {
		out.Error = err.Error()
	}
	out.Records = tidy(out.Records)
	return out
}

// wire is a name as it is asked for: Unicode as punycode. Names come from
// servers, so that anything may stand there.
func wire(name string) (string, error) {
	ascii := name
	if strings.IndexFunc(name, func(r rune) bool { return r > 127 }) >= 0 {
		var err error
		if ascii, err = idna.Lookup.ToASCII(name); err != nil {
			return "", fmt.Errorf("%s is no domain name", schema.QuoteName(name))
		}
	}
	if _, ok := dns.IsDomainName(ascii); !ok || ascii == "" || strings.ContainsFunc(ascii, func(r rune) bool { return r <= ' ' || r == 127 || r == '\\' || r == '"' }) {
		return "", fmt.Errorf("%s is no domain name", schema.QuoteName(name))
	}
	return ascii, nil
}

// apex finds the zone of a name: the closest one above it that has a SOA. A
// parent of the public suffix is asked too; that costs one question.
func (s *surveyor) apex(ctx context.Context, name string) (string, error) {
	for at := name; at != ""; {
		a, err := s.source.ask(ctx, at, dns.TypeSOA)
		if err != nil {
			return "", err
		}
		for _, rr := range a.records {
			if rr.Header().Rrtype == dns.TypeSOA && Fold(rr.Header().Name) == at {
				return at, nil
			}
		}
		if a.apex != "" && dns.IsSubDomain(dns.Fqdn(a.apex), dns.Fqdn(name)) {
			return a.apex, nil
		}
		_, at, _ = strings.Cut(at, ".")
	}
	return "", nil
}

// managed says on whose name servers a zone is.
func (s *surveyor) managed(ctx context.Context, apex string) (string, error) {
	s.mu.Lock()
	z := s.zones[apex]
	if z == nil {
		z = &zone{}
		s.zones[apex] = z
	}
	s.mu.Unlock()
	z.once.Do(func() { z.managed, z.err = s.askManaged(ctx, apex) })
	return z.managed, z.err
}

func (s *surveyor) askManaged(ctx context.Context, apex string) (string, error) {
	a, err := s.source.ask(ctx, apex, dns.TypeNS)
	if err != nil {
		return Unknown, err
	}
	own, other := 0, 0
	for _, rr := range a.records {
		ns, ok := rr.(*dns.NS)
		switch {
		case !ok:
		case s.ours(Fold(ns.Ns)):
			own++
		default:
			other++
		}
	}
	switch {
	case own+other == 0:
		return Unknown, nil
	case other == 0:
		return Provider, nil
	}
	return External, nil // on both: whoever is on one side alone cannot change it
}

// ours says whether a name server is one of the hosting company's, or below a
// domain of it.
func (s *surveyor) ours(server string) bool {
	return slices.ContainsFunc(s.provider, func(p string) bool { return server == p || strings.HasSuffix(server, "."+p) })
}
