package schema

import "time"

// System is what a survey says of a whole machine beside its accounts: what
// they lean on, and what two servers are compared by. Lists are sorted by their
// first field. Nothing in it is secret.
type System struct {
	OS        string    `json:"os"`                // as architectures name it: "debian-12"
	Release   string    `json:"release,omitempty"` // for people: "Debian GNU/Linux 12 (bookworm)"
	Version   string    `json:"version,omitempty"` // of the release with its minor part: "12.9"
	Kernel    string    `json:"kernel,omitempty"`
	Arch      string    `json:"arch,omitempty"` // as Go names it: amd64, arm64
	Libc      string    `json:"libc,omitempty"` // "glibc 2.36"
	Init      string    `json:"init,omitempty"` // systemd, or the name of what runs as process 1
	Hostname  string    `json:"hostname,omitempty"`
	Timezone  string    `json:"timezone,omitempty"` // IANA name, or what /etc/localtime says
	Locale    string    `json:"locale,omitempty"`   // LANG of the machine
	Locales   []string  `json:"locales,omitempty"`  // that can be used
	Booted    time.Time `json:"booted,omitzero"`
	CPUs      int       `json:"cpus,omitempty"`
	Memory    int64     `json:"memory,omitempty"` // bytes
	Addresses []Address `json:"addresses,omitempty"`
	Outgoing  []PTR     `json:"outgoing,omitempty"` // addresses that connections come from, with what the reverse lookup says
	Mounts    []Mount   `json:"mounts,omitempty"`   // file systems that hold something of users
	Ports     []Port    `json:"ports,omitempty"`    // that somebody listens on
	// Firewall is the rule set as its program prints it, counters left out.
	Firewall []string `json:"firewall,omitempty"`
	// Libraries are the sonames that the dynamic linker finds, with the machine's
	// own architecture.
	Libraries []string   `json:"libraries,omitempty"`
	Packages  []Software `json:"packages,omitempty"` // installed ones of the package manager
	Programs  []Software `json:"programs,omitempty"` // interpreters and tools by the name they are called by: "python3.11"
	PHP       []PHP      `json:"php,omitempty"`
	Engines   []Engine   `json:"engines,omitempty"`
	Users     []SysUser  `json:"users,omitempty"`  // every user of the machine
	Groups    []SysGroup `json:"groups,omitempty"` // every group
	Settings  []Setting  `json:"settings,omitempty"`
	Daemons   []Service  `json:"daemons,omitempty"` // services of the server itself
	Unknown   []Unknown  `json:"unknown,omitempty"` // things that the survey does not understand
	Queue     int64      `json:"queue,omitempty"`   // messages that wait in the mail queue
	HostKeys  []string   `json:"host_keys,omitempty"`
}

// Engine returns the engine of that name, or nil.
func (s *System) Engine(name string) *Engine {
	if s == nil {
		return nil
	}
	for i := range s.Engines {
		if s.Engines[i].Name == name {
			return &s.Engines[i]
		}
	}
	return nil
}

// Address is one network address of the machine itself.
type Address struct {
	Address   string `json:"address"` // without prefix length
	Interface string `json:"interface"`
	Scope     string `json:"scope"` // global | private | link | host
}

// PTR is an address and the names that its reverse lookup gave.
type PTR struct {
	Address string   `json:"address"`
	Names   []string `json:"names,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// Mount is one mounted file system.
type Mount struct {
	Path       string `json:"path"`
	Device     string `json:"device,omitempty"`
	Type       string `json:"type"`
	Options    string `json:"options,omitempty"`
	Bytes      int64  `json:"bytes"`
	Free       int64  `json:"free"` // for those who are not root
	Inodes     int64  `json:"inodes"`
	FreeInodes int64  `json:"free_inodes"`
	Quota      bool   `json:"quota,omitempty"` // user quotas are on
}

// Port is a socket that somebody listens on.
type Port struct {
	Protocol string `json:"protocol"` // tcp | udp
	Address  string `json:"address"`  // "0.0.0.0", "::", "127.0.0.1"
	Port     int    `json:"port"`
	Program  string `json:"program,omitempty"`
	UID      int    `json:"uid"`
}

// Software is a package, program or extension with its version.
type Software struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// PHP is one installed line of PHP.
type PHP struct {
	Version    string            `json:"version"` // line: "8.2"
	Full       string            `json:"full,omitempty"`
	API        string            `json:"api,omitempty"` // extension API: "20220829"
	Extensions []string          `json:"extensions,omitempty"`
	Settings   map[string]string `json:"settings,omitempty"` // of the pools' php.ini, those that matter
}

// Engine is one installed database engine, running or not.
type Engine struct {
	Name    string `json:"name"` // mariadb | mysql | postgresql | redis | …
	Version string `json:"version,omitempty"`
	Running bool   `json:"running"`
	Error   string `json:"error,omitempty"` // why it could not be asked; its databases are not known then
	Socket  string `json:"socket,omitempty"`
	Data    string `json:"data,omitempty"` // its data directory
	// Settings are those that matter for a move: sql_mode, max_allowed_packet,
	// log_bin, binlog_format, wal_level, lc_collate, server_encoding, …
	Settings   map[string]string `json:"settings,omitempty"`
	Extensions []Software        `json:"extensions,omitempty"` // that databases may create; plugins of MariaDB
	Collations []Collation       `json:"collations,omitempty"` // PostgreSQL: with the version that the library has now
	Charsets   []string          `json:"charsets,omitempty"`   // MariaDB: collations that it knows
	Users      []DatabaseUser    `json:"users,omitempty"`      // that belong to no account
	Databases  []Database        `json:"databases,omitempty"`  // that belong to no account
}

// Collation is one collation of PostgreSQL that depends on a library outside.
type Collation struct {
	Name     string `json:"name"`
	Provider string `json:"provider"`          // libc | icu
	Version  string `json:"version,omitempty"` // of the library now
}

// SysUser is one user of the machine.
type SysUser struct {
	Name  string `json:"name"`
	UID   int    `json:"uid"`
	GID   int    `json:"gid"`
	Home  string `json:"home,omitempty"`
	Shell string `json:"shell,omitempty"`
}

// SysGroup is one group of the machine.
type SysGroup struct {
	Name string `json:"name"`
	GID  int    `json:"gid"`
}

// Setting is one setting of the server's own configuration.
type Setting struct {
	Service string `json:"service"` // nginx, apache, php-fpm, dovecot, exim, sshd, mariadb, postgresql, cron, sysctl, …
	Key     string `json:"key"`     // name, with what it belongs to: "http/client_max_body_size"
	Value   string `json:"value"`
	File    string `json:"file,omitempty"` // where it stands; empty: a default that the program told
	Line    int    `json:"line,omitempty"`
}

// Unknown is something on the server that the survey does not understand and
// that may hold data or rules of accounts.
type Unknown struct {
	Kind string `json:"kind"` // panel | virtual-mail | dns-server | webmail | container | vpn | engine | mailing-list | dav | …
	Name string `json:"name"`
	Path string `json:"path,omitempty"` // where it was seen
	Why  string `json:"why"`            // what was seen, and why it matters
}
