package ssh

import "time"

// Target is a server and how to log in. What is left empty comes from the
// client configuration (see the package's documentation), then from OpenSSH's
// defaults.
type Target struct {
	Host string // name, address, or a Host of the configuration
	Port int    // 0: from the configuration, then 22
	User string // empty: from the configuration, then OtherUser
	// OtherUser is who logs in where neither User nor the configuration says;
	// empty: who runs this.
	OtherUser string

	IdentityFiles    []string // private keys; any set replaces the configuration's
	CertificateFiles []string // user certificates beside KEY-cert.pub
	KnownHosts       []string // any set replaces the configuration's and the defaults
	ConfigFile       string   // empty: ~/.ssh/config if there; None: no configuration
	ProxyJump        string   // [user@]host[:port],… ; None: straight; empty: from the configuration

	Password   Secret // of the user on this server; never offered to a hop before it
	Passphrase Secret // of encrypted private keys
	// Agent says whether keys of the ssh-agent are offered. Empty: when there is
	// one; None: never; otherwise the path of its socket.
	Agent string

	// Sudo runs everything as root through sudo where the user is not root.
	Sudo bool
	// SudoPassword is given to sudo if it asks; empty: Password.
	SudoPassword Secret

	// Timeout bounds dialling, handshake and login of each hop; 0: from the
	// configuration, then 20 s.
	Timeout time.Duration
	// Alive is the time after which a server that says nothing at all is given
	// up; 0: from the configuration, then 30 s.
	Alive time.Duration
}

// None as a setting's value switches off what the configuration or a default
// would give.
const None = "none"

const (
	defaultTimeout = 20 * time.Second
	defaultAlive   = 30 * time.Second
	maxHops        = 8
)

// hop is one server on the way, all settings known.
type hop struct {
	alias, host, user string
	port              string

	identities     []string
	given          bool // identities were chosen by somebody, not by default
	identitiesOnly bool
	certificates   []string
	agent          string // socket, or empty
	pubkey         bool

	known     []string // known_hosts files
	hostAlias string

	timeout, alive time.Duration
	algorithms     algorithms
	jump           string

	password, passphrase Secret
}
