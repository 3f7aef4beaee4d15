package plan

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// checkListens looks for what is bound to an address that only this server has.
func (b *builder) checkListens(p *passage) {
	own := map[string]bool{}
	for _, a := range p.here.Addresses {
		if ip, err := netip.ParseAddr(a.Address); err == nil && bindable(ip) {
			own[ip.Unmap().String()] = true
		}
	}
	if p.there != nil {
		for _, a := range p.there.Addresses {
			delete(own, bare(a.Address))
		}
	}
	var seen []string
	for _, l := range p.lines("listen") {
		if own[bare(l.What)] {
			seen = append(seen, lineText(&l))
		}
	}
	for _, s := range p.live.Sites {
		for _, l := range s.Listen {
			first, _, _ := strings.Cut(l, " ")
			if own[bare(first)] {
				seen = append(seen, s.Domain+": listens on "+first)
			}
		}
	}
	for _, port := range p.live.Ports {
		if own[bare(port.Address)] {
			seen = append(seen, strings.TrimSpace(port.Program+" listens on "+portText(&port)))
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		b.stopSeen(p, codeListen, "", count(len(seen), "place")+" "+plural(len(seen), "binds", "bind")+" it to an address of "+p.from.name+", first "+seen[0], seen)
	}
}

// bindable says whether an address is one that a server has to itself.
func bindable(ip netip.Addr) bool {
	return !ip.IsLoopback() && !ip.IsUnspecified() && !ip.IsLinkLocalUnicast() && !ip.IsMulticast()
}

func portText(p *schema.Port) string {
	if ip, err := netip.ParseAddr(p.Address); err == nil {
		return p.Protocol + " " + netip.AddrPortFrom(ip, uint16(p.Port)).String()
	}
	return p.Protocol + " " + p.Address + ":" + strconv.Itoa(p.Port)
}

// checkPorts looks for ports of the account that somebody else listens on there.
func (b *builder) checkPorts(p *passage) {
	if p.there == nil {
		return
	}
	var seen []string
	for i := range p.live.Ports {
		mine := &p.live.Ports[i]
		for k := range p.there.Ports {
			o := &p.there.Ports[k]
			if o.Port != mine.Port || o.Protocol != mine.Protocol || p.to.index[p.name] != nil && o.UID == p.live.UID && o.UID != 0 || !meet(o.Address, mine.Address) {
				continue
			}
			who := o.Program
			if who == "" {
				who = "uid " + strconv.Itoa(o.UID)
			}
			seen = append(seen, portText(mine)+": "+who+" has "+portText(o)+" on "+p.to.name)
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		b.stopSeen(p, codePort, "", count(len(seen), "port")+" "+isAre(len(seen))+" taken on "+p.to.name+", first "+seen[0], seen)
	}
}

// meet says whether two programs that listen on these addresses are in each
// other's way.
func meet(x, y string) bool {
	a, err1 := netip.ParseAddr(x)
	c, err2 := netip.ParseAddr(y)
	if err1 != nil || err2 != nil {
		return true // "*", or something that cannot be told apart
	}
	return a.IsUnspecified() || c.IsUnspecified() || a.Unmap() == c.Unmap()
}

// localPorts are the ports by which services that many programs use are known.
// Never written to.
var localPorts = map[string]int{"redis": 6379, "valkey": 6379, "memcached": 11211, "elasticsearch": 9200, "opensearch": 9200, "rabbitmq": 5672,
	"mongodb": 27017, "couchdb": 5984, "solr": 8983, "meilisearch": 7700, "beanstalkd": 11300, "sphinx": 9312}

// serviceOf is what a line about localhost names: a service and its port, as far
// as they can be told. Its word is the service or the address, its note the other.
func serviceOf(l *schema.Line) (name string, port int) {
	for _, s := range []string{l.What, l.Note} {
		scheme, rest, isURL := strings.Cut(s, "://")
		if !isURL {
			scheme, rest = "", s
		}
		rest = rest[strings.LastIndexByte(rest, '@')+1:]
		rest, _, _ = strings.Cut(rest, "/")
		word, digits, _ := strings.Cut(rest, " ")
		if i := strings.LastIndexByte(word, ':'); i >= 0 {
			digits = word[i+1:]
		}
		if n, err := strconv.Atoi(digits); err == nil && n > 0 && n < 65536 && port == 0 {
			port = n
		}
		for _, w := range []string{scheme, strings.TrimSuffix(scheme, "s"), word} { // rediss, mongodbs: the same over TLS
			if w = strings.ToLower(w); name == "" && localPorts[w] != 0 {
				name = w
			}
		}
	}
	if port == 0 {
		port = localPorts[name]
	}
	for _, n := range []string{"redis", "memcached", "elasticsearch", "rabbitmq", "mongodb", "couchdb"} {
		if name == "" && localPorts[n] == port {
			name = n
		}
	}
	return name, port
}

// runs says whether a machine runs a local service: by its port, by its engine,
// or by a daemon of its name.
func runs(s *schema.System, name string, port int) bool {
	if port > 0 && slices.ContainsFunc(s.Ports, func(p schema.Port) bool { return p.Port == port }) {
		return true
	}
	if name == "" {
		return false
	}
	if e := s.Engine(name); e != nil && e.Running {
		return true
	}
	return slices.ContainsFunc(s.Daemons, func(d schema.Service) bool { return d.Running && strings.Contains(d.Name, name) })
}

// checkLocalServices looks for services on localhost that the account uses, that
// run here and not on the target. Its own programs, and other accounts', are
// other findings.
func (b *builder) checkLocalServices(p *passage) {
	if p.there == nil {
		return
	}
	var seen []string
	for _, l := range p.lines("localhost-service") {
		name, port := serviceOf(&l)
		if name == "" && port == 0 || p.owner(port) != "" || !runs(p.here, name, port) || runs(p.there, name, port) {
			continue
		}
		line := lineText(&l)
		if l.Note != "" {
			line += " (" + open(l.Note) + ")"
		} else if name != "" {
			line += " (" + name + ")"
		}
		seen = append(seen, line)
	}
	if seen = unique(seen); len(seen) > 0 {
		b.stopSeen(p, codeLocalService, "", count(len(seen), "place")+" in its files "+plural(len(seen), "names", "name")+" a service on localhost that does not run on "+p.to.name+", first "+seen[0], seen)
	}
}

// owner is the account on the same server that listens on a port; empty: none.
func (p *passage) owner(port int) string {
	if port == 0 {
		return ""
	}
	if slices.ContainsFunc(p.live.Ports, func(x schema.Port) bool { return x.Port == port }) {
		return p.name
	}
	return p.from.catalogued().ports[port]
}

// checkCoupling looks for sites and settings that talk to another account's
// program on localhost.
func (b *builder) checkCoupling(p *passage) {
	var seen []string
	say := func(where string, port int) {
		if o := p.owner(port); o != "" && o != p.name {
			seen = append(seen, where+", where "+o+" listens")
		}
	}
	for _, s := range p.live.Sites {
		if port := localPort(s.Pass); port > 0 {
			say(s.Domain+" passes on to "+open(s.Pass), port)
		}
	}
	for _, l := range p.lines("localhost-service") {
		_, port := serviceOf(&l)
		say(lineText(&l), port)
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codeCoupled, p.name, "", "", count(len(seen), "place")+" "+plural(len(seen), "leads", "lead")+" to a program of another account, first "+seen[0], seen)
	}
}

// localPort is the port of an address on this machine; 0: it is somewhere else,
// or a socket.
func localPort(pass string) int {
	if i := strings.Index(pass, "://"); i >= 0 {
		pass = pass[i+3:]
	}
	pass, _, _ = strings.Cut(pass, "/")
	i := strings.LastIndexByte(pass, ':')
	if i < 0 {
		return 0
	}
	host := strings.Trim(pass[:i], "[]")
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && host != "*" && (err != nil || !ip.IsLoopback() && !ip.IsUnspecified()) {
		return 0
	}
	port, err := strconv.Atoi(pass[i+1:])
	if err != nil || port < 1 || port > 65535 {
		return 0
	}
	return port
}

// checkClients names who was seen without encryption.
func (b *builder) checkClients(p *passage) {
	var seen []string
	for _, c := range p.live.Clients {
		if !c.Plain || isLocal(c.Address) {
			continue
		}
		line := c.Service + ": " + c.User + " from " + c.Address + ", " + plural(int(min(c.Times, 2)), "once", itoa(c.Times)+" times")
		if !c.Last.IsZero() {
			line += ", last on " + c.Last.UTC().Format("2006-01-02")
		}
		seen = append(seen, line)
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codePlain, p.name, "", "", count(len(seen), "client")+" "+plural(len(seen), "was", "were")+" seen without encryption, first "+seen[0], seen)
	}
}

// isLocal says whether an address is the machine itself.
func isLocal(address string) bool {
	ip, err := netip.ParseAddr(address)
	return address == "localhost" || err == nil && ip.IsLoopback()
}

// checkServices names services that put themselves in the background.
func (b *builder) checkServices(p *passage) {
	var seen []string
	for _, s := range p.live.Services {
		if s.Type == "forking" {
			seen = append(seen, strings.TrimSuffix(s.Name+": "+s.File, ": ")) // not its command, which may hold a password
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codeForks, p.name, "", "", count(len(seen), "service")+" "+plural(len(seen), "puts itself", "put themselves")+" in the background, first "+seen[0], seen)
	}
}

// checkOutside names what belongs to the account and does not lie in it.
func (b *builder) checkOutside(p *passage) {
	seen := unique(slices.Clone(p.live.Other))
	if len(seen) > 0 {
		b.reportSeen(codeOutside, p.name, "", "", plural(len(seen), "1 file of the system belongs", itoa(int64(len(seen)))+" files of the system belong")+" to it, first "+seen[0], seen)
	}
}

// checkExtraAddresses names public addresses of the source that no service
// address is.
func (b *builder) checkExtraAddresses() {
	sys := b.s.found.System
	if !b.s.present || b.reinstalled || sys == nil || b.past.has(schema.FactReleased) {
		return
	}
	serves := map[string]bool{}
	for _, a := range b.serves() {
		serves[bare(a)] = true
	}
	if len(serves) == 0 {
		return
	}
	var seen []string
	for _, a := range sys.Addresses {
		if a.Scope == "global" && !serves[bare(a.Address)] {
			seen = append(seen, a.Address+" on "+a.Interface)
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codeExtra, "", b.s.name, "", b.s.name+" has "+plural(len(seen), "1 public address", itoa(int64(len(seen)))+" public addresses")+" that `serves` does not name, first "+seen[0], seen)
	}
}

// checkReverse compares the reverse names of the addresses that mail is sent from.
func (b *builder) checkReverse(from, to *place) {
	named := slices.ContainsFunc(from.found.System.Outgoing, func(p schema.PTR) bool { return len(p.Names) > 0 })
	var seen []string
	for _, p := range to.found.System.Outgoing {
		ip, err := netip.ParseAddr(p.Address)
		if named && err == nil && !ip.IsPrivate() && len(p.Names) == 0 && p.Error == "" {
			seen = append(seen, p.Address+" has no reverse name")
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codeReverse, "", to.name, "", "connections from "+to.name+" come from "+plural(len(seen), "an address", "addresses")+" without a reverse name: "+seen[0], seen)
	}
}
