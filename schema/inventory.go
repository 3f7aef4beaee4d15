package schema

import (
	"slices"
	"strings"
	"time"
)

// Presence of a server when it was surveyed.
const (
	Present     = "present"
	Absent      = "absent"      // not handed over yet, or removed: nothing is there
	Unreachable = "unreachable" // something should be there and does not answer
)

// Inventory is what a survey found: live state, by server name.
type Inventory struct {
	Servers map[string]*FoundServer `json:"servers"`
	DNS     *FoundDNS               `json:"dns,omitempty"` // nil: DNS was not asked
	At      time.Time               `json:"at,omitzero"`   // when the survey ended
}

// FoundDNS is what the resolver said of every domain and mailbox domain that
// the accounts have.
type FoundDNS struct {
	Resolver string      `json:"resolver"` // who was asked, for people
	Names    []FoundName `json:"names"`    // sorted by name
}

// Name returns what was found of a name, or nil.
func (d *FoundDNS) Name(name string) *FoundName {
	if d == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(d.Names, name, func(n FoundName, s string) int { return strings.Compare(n.Name, s) })
	if !ok {
		return nil
	}
	return &d.Names[i]
}

// FoundName is one DNS name.
type FoundName struct {
	Name    string      `json:"name"`           // lower case, without the last dot
	Zone    string      `json:"zone,omitempty"` // the zone that it is in
	Managed string      `json:"managed"`        // provider: on the hosting company's name servers | external | unknown
	Error   string      `json:"error,omitempty"`
	Missing bool        `json:"missing,omitempty"` // it does not exist
	Records []DNSRecord `json:"records,omitempty"` // A, AAAA, CNAME, MX, TXT (SPF only), CAA, NS; sorted
	Checked time.Time   `json:"checked,omitzero"`
}

// DNSRecord is one record.
type DNSRecord struct {
	Type  string        `json:"type"`
	Value string        `json:"value"`          // without the last dot
	Pref  uint16        `json:"pref,omitempty"` // MX
	TTL   time.Duration `json:"ttl"`
}

// Capability is something a server's provider can do; absent ones have a reason.
type Capability string

// Capabilities. A capability that is absent turns the steps that need it into
// gates or into a diagnostic.
const (
	CanOwn            Capability = "own"             // records: freeze, commit, activate
	CanCopy           Capability = "copy"            // be origin and pull
	CanProvision      Capability = "provision"       // bring the server up from nothing
	CanReinstall      Capability = "reinstall"       // reinstall it on a new architecture
	CanReroute        Capability = "reroute"         // take over another server's service addresses
	CanRemoveRuntimes Capability = "remove_runtimes" // remove and restore runtimes
	CanListResidue    Capability = "list_residue"
	CanRetire         Capability = "retire" // archive and retire an account
	CanRelease        Capability = "release"
	CanKeepFacts      Capability = "keep_facts"
	CanTry            Capability = "try" // import databases under a scratch name, look, and drop them
	// CanReplaceRuntimes: an account that arrives with a version that the server
	// does not have is given the one that replaces it. A single version of a line
	// that the server has needs no replacing: every server runs 8.3.1 on its 8.3.
	CanReplaceRuntimes Capability = "replace_runtimes"
	// CanMapUsers: an account that arrives with a user id that another one has is
	// given a free one.
	CanMapUsers Capability = "map_users"
	// CanDial: probes reach what listens on the server's own localhost.
	CanDial Capability = "dial"
)

// FoundServer is one server as it was found.
type FoundServer struct {
	Name         string   `json:"name"`
	Presence     string   `json:"presence"`
	Error        string   `json:"error,omitempty"` // why unreachable, for people
	Provider     string   `json:"provider"`
	Machine      string   `json:"machine,omitempty"` // machine identity; new after a reinstallation
	Boot         string   `json:"boot,omitempty"`
	Agent        string   `json:"agent,omitempty"` // version of the agent
	Architecture string   `json:"architecture,omitempty"`
	Known        bool     `json:"known"`          // known since the beginning: an account without a record lives here
	Addresses    []string `json:"addresses"`      // service addresses that are its own
	Listening    []string `json:"listening"`      // service addresses it answers on now
	HTTP         string   `json:"http,omitempty"` // host:port on which its own front answers HTTP
	SMTP         string   `json:"smtp,omitempty"` // host:port on which its own front answers SMTP
	// Services says at which host:port it answers itself, by name of the service
	// (ServiceHTTPS …), where that is not its own address and the usual port.
	Services    map[string]string     `json:"services,omitempty"`
	Runtimes    []Runtime             `json:"runtimes,omitempty"` // installed
	Removed     []Runtime             `json:"removed,omitempty"`  // removed by us, can be put back
	Engines     []EngineOffer         `json:"engines,omitempty"`
	Seal        *Seal                 `json:"seal,omitempty"`
	Lineage     []string              `json:"lineage,omitempty"` // machine identities it took over accounts from and that were sealed
	Claim       Claim                 `json:"claim"`
	Can         map[Capability]bool   `json:"can"`
	Cannot      map[Capability]string `json:"cannot,omitempty"` // reason, for people
	Accounts    []*FoundAccount       `json:"accounts"`         // sorted by name
	Residue     []Residue             `json:"residue,omitempty"`
	Facts       []Fact                `json:"facts,omitempty"`
	FreeBytes   int64                 `json:"free_bytes"`
	FreeInodes  int64                 `json:"free_inodes"`
	TotalBytes  int64                 `json:"total_bytes,omitempty"`
	TotalInodes int64                 `json:"total_inodes,omitempty"`
	Names       []string              `json:"names,omitempty"`      // host names that are the server's own
	Outgoing    []string              `json:"outgoing,omitempty"`   // addresses that connections from it come from
	HostKeys    []string              `json:"host_keys,omitempty"`  // fingerprints, for notices; none: the provider has no SSH
	System      *System               `json:"system,omitempty"`     // of a whole machine; nil: the provider does not tell
	Layout      string                `json:"layout,omitempty"`     // by which its accounts were found
	At          time.Time             `json:"at,omitzero"`          // when it was looked at
	Remembered  bool                  `json:"remembered,omitempty"` // this is what was seen at At; nobody looked now
	Findings    []Finding             `json:"findings,omitempty"`   // about the server, not about one account
}

// Account returns what was found of an account, or nil.
func (s *FoundServer) Account(name string) *FoundAccount {
	if s == nil {
		return nil
	}
	for _, a := range s.Accounts { // callers that loop over all accounts build their own index
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Claim is who steers a server now.
type Claim struct {
	Term      uint64 `json:"term,omitempty"`
	Migration string `json:"migration,omitempty"` // migration id
	Name      string `json:"name,omitempty"`      // the migration's name in its config
	Holder    string `json:"holder,omitempty"`    // user@host (pid) of the run
}

// Seal closes a server before it is wiped.
type Seal struct {
	Number uint64            `json:"number"`
	Epochs map[string]uint64 `json:"epochs,omitempty"`
}

// Account record states; see the ownership protocol. Empty means that there
// is no record and the server was known since the beginning: unmanaged.
const (
	StateUnmanaged = "unmanaged"
	StateActive    = "active"
	StateFrozen    = "frozen"
	StateStaged    = "staged"
	StatePrepared  = "prepared"
	StateMoved     = "moved"
	StateRetired   = "retired"
	StateUnknown   = "unknown" // no record on a fresh machine, or an unreadable one
)

// Ownership is what a server's record says of an account.
type Ownership struct {
	State     string `json:"state"`
	Migration string `json:"migration,omitempty"`
	Epoch     uint64 `json:"epoch"`
	Token     string `json:"token,omitempty"`
	Peer      string `json:"peer,omitempty"` // machine identity
	Confirmed bool   `json:"confirmed,omitempty"`
	// Pairing is the same on both servers if they were paired to the end: a run
	// may have died between telling one and the other. Empty: not known.
	Pairing string `json:"pairing,omitempty"`
	Serves  bool   `json:"serves"`
	Blocker string `json:"blocker,omitempty"` // the reason for Stopped, for people
	Stopped string `json:"stopped,omitempty"` // why the agent keeps it closed: StoppedFenced, StoppedWaits, StoppedUnreadable
}

// Why an agent keeps an account closed whose record would have it open, or that
// has none it can read.
const (
	StoppedFenced     = "fenced"     // the record is an old one: the other server has a newer one
	StoppedWaits      = "waits"      // started again, and the other server has not answered yet
	StoppedUnreadable = "unreadable" // both copies of the record are lost
)

// FoundAccount is an account on one server.
type FoundAccount struct {
	Name      string       `json:"name"`
	Owner     Ownership    `json:"owner"`
	UID       int          `json:"uid,omitempty"`
	Domains   []Domain     `json:"domains,omitempty"`
	Files     Files        `json:"files"`
	Mail      Mail         `json:"mail"`
	Databases []Database   `json:"databases,omitempty"`
	Programs  []Program    `json:"programs,omitempty"`
	Tasks     []Task       `json:"tasks,omitempty"`
	Runtimes  []RuntimeUse `json:"runtimes,omitempty"`
	Copied    []CopiedPart `json:"copied,omitempty"` // on a receiver: what was precopied, of which epoch
	Findings  []Finding    `json:"findings,omitempty"`
	// ID stays the same when the account is renamed. Empty: the provider has none.
	ID           string        `json:"id,omitempty"`
	Created      time.Time     `json:"created,omitzero"`
	Quota        int64         `json:"quota,omitempty"` // bytes of files and mail together; 0: none
	Sites        []Site        `json:"sites,omitempty"`
	Links        []Link        `json:"links,omitempty"`    // symbolic links that lead out of the home
	Mentions     []Mention     `json:"mentions,omitempty"` // of the server, in files that look like settings
	Certificates []Certificate `json:"certificates,omitempty"`
	Backup       time.Time     `json:"backup,omitzero"`     // newest backup; zero: none was found
	Backups      bool          `json:"backups,omitempty"`   // the provider can tell whether there are backups
	Truncated    []string      `json:"truncated,omitempty"` // lists above that are not complete, because they were too long: "links"

	// What surveys of whole machines add. Lists are sorted and bounded.
	User          *User          `json:"user,omitempty"`
	DatabaseUsers []DatabaseUser `json:"database_users,omitempty"`
	Pools         []Pool         `json:"pools,omitempty"`
	Services      []Service      `json:"services,omitempty"`
	Timers        []Timer        `json:"timers,omitempty"` // with crontab lines; Tasks has their schedules
	Ports         []Port         `json:"ports,omitempty"`  // that processes of the account listen on
	Environments  []Environment  `json:"environments,omitempty"`
	Binaries      []Binary       `json:"binaries,omitempty"`
	Lines         []Line         `json:"lines,omitempty"`
	Clients       []Client       `json:"clients,omitempty"`
	Other         []string       `json:"other,omitempty"` // paths outside home and mail that belong to it: sockets' directories, pool and unit files
}

// Site is one site of an account.
type Site struct {
	Domain  string `json:"domain"`
	Kind    string `json:"kind,omitempty"`
	Owner   string `json:"owner,omitempty"` // the account whose domain it is, if that is another one
	Runtime string `json:"runtime,omitempty"`

	Names  []string `json:"names,omitempty"`  // all of them, Domain first
	Root   string   `json:"root,omitempty"`   // document root
	Server string   `json:"server,omitempty"` // nginx | apache
	File   string   `json:"file,omitempty"`   // where it is configured
	Line   int      `json:"line,omitempty"`
	Listen []string `json:"listen,omitempty"` // as configured: "80", "443 ssl"
	Pass   string   `json:"pass,omitempty"`   // what it passes requests on to: a socket, an address
	Cert   string   `json:"cert,omitempty"`   // path of its certificate
}

// Link is a symbolic link that leads out of the account's home.
type Link struct {
	Path   string `json:"path"`   // below the home
	Target string `json:"target"` // as written
}

// Mention is a place in a file where a server's own name or address stands.
type Mention struct {
	Path string `json:"path"` // below the home
	Line int    `json:"line"`
	What string `json:"what"` // the name or address
}

// Certificate is a certificate of one of the account's names.
type Certificate struct {
	Names   []string  `json:"names"`
	Expires time.Time `json:"expires"`
	Renewed string    `json:"renewed,omitempty"` // who renews it: provider | account | nobody
	Path    string    `json:"path,omitempty"`
	Issuer  string    `json:"issuer,omitempty"`
	How     string    `json:"how,omitempty"` // of the renewal: "certbot, webroot /srv/www"
}

// Bytes is the account's size: files, mail and databases.
func (a *FoundAccount) Bytes() int64 {
	n := a.Files.Bytes + a.Mail.Bytes
	for _, d := range a.Databases {
		n += d.Bytes
	}
	return n
}

// DatabaseBytes is the size of the account's databases.
func (a *FoundAccount) DatabaseBytes() int64 {
	var n int64
	for _, d := range a.Databases {
		n += d.Bytes
	}
	return n
}

// Files counts an account's home without its mailboxes: what lies in one is
// counted with Mail, wherever that is.
type Files struct {
	Bytes   int64 `json:"bytes"`   // of regular files; one with several names counts once
	Entries int64 `json:"entries"` // names of any kind, below the home
}

// Mail counts an account's mailboxes.
type Mail struct {
	Mailboxes []string `json:"mailboxes,omitempty"` // user@domain, sorted
	Messages  int64    `json:"messages"`
	Bytes     int64    `json:"bytes"` // of all files of the mailboxes, indexes and filters too
	// Boxes are the mailboxes one by one, where the survey tells; sorted.
	Boxes []Mailbox `json:"boxes,omitempty"`
}

// Database is one database of an account.
type Database struct {
	Engine  string `json:"engine"`
	Version string `json:"version,omitempty"` // of the engine
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`
	Mode    string `json:"mode,omitempty"` // what decides the method; sqlite: the journal mode
	// Detail is what the survey of a whole machine knows of its inside.
	Detail *ObjectDetail `json:"detail,omitempty"`
}

// Domain is a name that an account serves.
type Domain struct {
	Name string `json:"name"`
	DNS  string `json:"dns,omitempty"` // external | provider
}

// Program is a long-running program of the account, its site's one included.
type Program struct {
	Name    string `json:"name"`
	Runtime string `json:"runtime,omitempty"`
}

// Task is a scheduled task.
type Task struct {
	Name     string `json:"name"`
	Schedule string `json:"schedule"`
}

// Runtime is an installed language runtime.
type Runtime struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// RuntimeUse is a runtime that an account uses, and by what.
type RuntimeUse struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	By      string `json:"by"` // "site", "program NAME", "task NAME"
}

// CopiedPart is a part of an account that a receiver holds a copy of.
type CopiedPart struct {
	Part  string    `json:"part"` // files | mail | databases
	Epoch uint64    `json:"epoch"`
	Bytes int64     `json:"bytes"`
	At    time.Time `json:"at"`
}

// Residue is something on a server that no account owns and that a
// reinstallation would destroy.
type Residue struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Kind  string `json:"kind"` // file | directory | program | ...
}
