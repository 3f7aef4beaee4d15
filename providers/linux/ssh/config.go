package ssh

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	sshconfig "github.com/kevinburke/ssh_config"
)

// maxConfig bounds a configuration file in bytes.
const maxConfig = 1 << 20

// clientConfig is an OpenSSH client configuration, or nothing.
type clientConfig struct {
	file string
	c    *sshconfig.Config
	home string
}

// readConfig reads the configuration that a target names.
func readConfig(name string) (*clientConfig, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/nonexistent"
	}
	c := &clientConfig{home: home, file: name}
	if name == None {
		return c, nil
	}
	if name == "" {
		c.file = filepath.Join(home, ".ssh", "config")
	}
	c.file = c.tilde(c.file)
	info, err := os.Stat(c.file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && name == "":
		return c, nil
	case err != nil:
		return nil, settings("SSH client configuration: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxConfig:
		return nil, settings("SSH client configuration %s is no file or larger than %d bytes", c.file, maxConfig)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0:
		return nil, settings("SSH client configuration %s can be written by others, who could send you elsewhere: chmod go-w it", c.file)
	}
	b, err := os.ReadFile(c.file)
	if err != nil {
		return nil, settings("SSH client configuration: %w", err)
	}
	if c.c, err = sshconfig.DecodeBytes(b); err != nil {
		return nil, settings("SSH client configuration %s: %s. Stopover reads Host, Match all and Match host; "+
			"put what it needs into a file of its own and name that, or %q, as the server's configuration", c.file, Plain([]byte(err.Error()), maxSaid), None)
	}
	return c, nil
}

func (c *clientConfig) get(alias, key string) string {
	if c.c == nil {
		return ""
	}
	v, _ := c.c.Get(alias, key) // its errors are of nodes that cannot be
	return strings.TrimSpace(v)
}

func (c *clientConfig) all(alias, key string) []string {
	if c.c == nil {
		return nil
	}
	v, _ := c.c.GetAll(alias, key)
	return v
}

// first gives the words of the first line with a key.
func (c *clientConfig) first(alias, key string) []string { return fields(c.get(alias, key)) }

// fields splits at blanks outside of double quotes.
func fields(s string) []string {
	var out []string
	var word strings.Builder
	in, quoted := false, false
	flush := func() {
		if in {
			out = append(out, word.String())
		}
		word.Reset()
		in = false
	}
	for _, r := range s {
		switch {
		case r == '"':
			quoted, in = !quoted, true
		case !quoted && (r == ' ' || r == '\t'):
			flush()
		default:
			word.WriteRune(r)
			in = true
		}
	}
	flush()
	return out
}

// refused are keywords without which the connection would be another one than
// the user described, and the values that mean nothing.
var refused = [...]struct {
	key    string
	benign []string
}{
	{"ProxyCommand", []string{"none"}},
	{"KnownHostsCommand", []string{"none"}},
	{"RevokedHostKeys", []string{"none"}},
	{"PKCS11Provider", []string{"none"}},
	{"CanonicalizeHostname", []string{"no", "false"}},
	{"RequiredRSASize", nil},
	{"BindAddress", nil},
	{"BindInterface", nil},
	{"CASignatureAlgorithms", nil},
	{"PubkeyAcceptedAlgorithms", nil},
	{"PubkeyAcceptedKeyTypes", nil},
}

// check refuses what this package would have to ignore at the user's peril.
func (c *clientConfig) check(alias, host string, jumpGiven bool) error {
	for _, r := range refused {
		v := c.get(alias, r.key)
		if v == "" || r.key == "ProxyCommand" && jumpGiven || strings.HasPrefix(v, "+") && strings.HasPrefix(r.key, "Pubkey") {
			continue
		}
		benign := false
		for _, b := range r.benign {
			benign = benign || strings.EqualFold(b, v)
		}
		if !benign {
			return settings("%s sets %s for %s, which Stopover does not follow and will not ignore. Use ProxyJump, IdentityFile or an ssh-agent instead, "+
				"or name another configuration file for this server", c.file, r.key, alias)
		}
	}
	if c.c == nil || host == alias {
		return nil
	}
	for _, h := range c.c.Hosts {
		line, _, _ := strings.Cut(strings.TrimSpace(h.String()), "\n")
		if strings.HasPrefix(line, "Match") && h.Matches(alias) != h.Matches(host) {
			return settings("%s: %q says one thing for %s and another for its HostName %s, and Stopover cannot tell which is meant. Write it as Host",
				c.file, Plain([]byte(line), 200), alias, host)
		}
	}
	return nil
}

func (c *clientConfig) tilde(p string) string {
	if p == "~" || strings.HasPrefix(p, "~/") {
		return filepath.Join(c.home, p[1:])
	}
	return p
}

// expand replaces the tokens that OpenSSH knows in paths.
func (c *clientConfig) expand(p string, h *hop) (string, error) {
	local := ""
	if u, err := user.Current(); err == nil {
		local = u.Username
	}
	tokens := map[byte]string{'%': "%", 'd': c.home, 'h': h.host, 'n': h.alias, 'p': h.port, 'r': h.user, 'u': local, 'i': strconv.Itoa(os.Getuid())}
	var s strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			s.WriteByte(p[i])
			continue
		}
		i++
		if i == len(p) {
			return "", settings("%s: %q ends with a lone %%", c.file, p)
		}
		v, ok := tokens[p[i]]
		if !ok {
			return "", settings("%s: %q holds %%%c, which Stopover does not know", c.file, p, p[i])
		}
		s.WriteString(v)
	}
	return c.tilde(os.Expand(s.String(), func(name string) string { return os.Getenv(name) })), nil
}

// resolve joins what a target says with the configuration.
func (c *clientConfig) resolve(t Target) (*hop, error) {
	if t.Host == "" || strings.HasPrefix(t.Host, "-") || strings.ContainsAny(t.Host, " \t\r\n\x00/@") {
		return nil, settings("%q is no name or address of a server", t.Host)
	}
	a := t.Host
	h := &hop{alias: a, host: a, user: t.User, jump: t.ProxyJump, password: t.Password, passphrase: t.Passphrase, timeout: t.Timeout, alive: t.Alive}
	if v := c.get(a, "HostName"); v != "" {
		h.host = strings.ReplaceAll(strings.ReplaceAll(v, "%h", a), "%%", "%")
	}
	h.host = strings.ToLower(strings.Trim(h.host, "[]"))
	if err := c.check(a, h.host, t.ProxyJump != ""); err != nil {
		return nil, err
	}
	steps := []func(*hop, Target) error{c.who, c.times, c.keys, c.hosts, c.ciphers}
	for _, f := range steps {
		if err := f(h, t); err != nil {
			return nil, err
		}
	}
	if h.jump == "" {
		h.jump = c.get(a, "ProxyJump")
	}
	return h, nil
}

// who sets port and user.
func (c *clientConfig) who(h *hop, t Target) error {
	h.port = strconv.Itoa(t.Port)
	if t.Port == 0 {
		h.port = "22"
		if v := c.get(h.alias, "Port"); v != "" {
			h.port = v
		}
	}
	if n, err := strconv.Atoi(h.port); err != nil || n < 1 || n > 65535 {
		return settings("port %q of %s is none", h.port, h.alias)
	}
	if h.user == "" {
		h.user = c.get(h.alias, "User")
	}
	if h.user == "" {
		h.user = t.OtherUser
	}
	if h.user == "" {
		u, err := user.Current()
		if err != nil {
			return settings("no user is given for %s, and who runs this is unknown: %w", h.alias, err)
		}
		h.user = u.Username
	}
	return nil
}

// times sets how long is waited.
func (c *clientConfig) times(h *hop, _ Target) error {
	seconds := func(key string, most int) (int, error) {
		v := c.get(h.alias, key)
		if v == "" || strings.EqualFold(v, None) {
			return 0, nil
		}
		n, err := strconv.Atoi(v)
		if err != nil {
			var d time.Duration
			if d, err = time.ParseDuration(v); err == nil {
				n = int(d / time.Second)
			}
		}
		if err != nil || n < 0 {
			return 0, settings("%s: %s %q for %s is no number", c.file, key, v, h.alias)
		}
		return min(n, most), nil
	}
	timeout, err := seconds("ConnectTimeout", 3600)
	if err != nil {
		return err
	}
	interval, err := seconds("ServerAliveInterval", 3600)
	if err != nil {
		return err
	}
	count, err := seconds("ServerAliveCountMax", 100)
	if err != nil {
		return err
	}
	if count == 0 {
		count = 3
	}
	h.timeout = firstOf(h.timeout, time.Duration(timeout)*time.Second, defaultTimeout)
	h.alive = firstOf(h.alive, time.Duration(interval*count)*time.Second, defaultAlive)
	return nil
}

func firstOf(d ...time.Duration) time.Duration {
	for _, x := range d {
		if x > 0 {
			return x
		}
	}
	return 0
}

// keys sets which keys are offered.
func (c *clientConfig) keys(h *hop, t Target) error {
	h.pubkey = !strings.EqualFold(c.get(h.alias, "PubkeyAuthentication"), "no")
	h.identitiesOnly = strings.EqualFold(c.get(h.alias, "IdentitiesOnly"), "yes")
	h.agent = t.Agent
	if h.agent == "" {
		h.agent = c.get(h.alias, "IdentityAgent")
	}
	switch {
	case h.agent == "" || h.agent == "SSH_AUTH_SOCK":
		h.agent = os.Getenv("SSH_AUTH_SOCK")
	case strings.EqualFold(h.agent, None):
		h.agent = ""
	case strings.HasPrefix(h.agent, "$"):
		h.agent = os.Getenv(strings.Trim(h.agent[1:], "{}"))
	}
	names, certs := t.IdentityFiles, t.CertificateFiles
	if len(names) == 0 {
		names = c.all(h.alias, "IdentityFile")
	} else {
		h.identitiesOnly = true
	}
	if len(certs) == 0 {
		certs = c.all(h.alias, "CertificateFile")
	}
	h.given = len(names) > 0
	if !h.given {
		names = []string{"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"}
	}
	var err error
	if h.agent, err = c.expand(h.agent, h); err != nil {
		return err
	}
	if h.identities, err = c.paths(names, h); err != nil {
		return err
	}
	h.certificates, err = c.paths(certs, h)
	return err
}

// hosts sets which known_hosts files count.
func (c *clientConfig) hosts(h *hop, t Target) error {
	files := t.KnownHosts
	if len(files) == 0 {
		files = c.first(h.alias, "UserKnownHostsFile")
		if len(files) == 0 {
			files = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
		}
		global := c.first(h.alias, "GlobalKnownHostsFile")
		if len(global) == 0 {
			global = []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}
		}
		files = append(append([]string(nil), files...), global...)
	}
	h.hostAlias = c.get(h.alias, "HostKeyAlias")
	var err error
	h.known, err = c.paths(files, h)
	return err
}

func (c *clientConfig) ciphers(h *hop, _ Target) error {
	var err error
	h.algorithms, err = chooseAlgorithms(func(key string) string { return c.get(h.alias, key) })
	if err != nil {
		return settings("%s for %s: %w", c.file, h.alias, err)
	}
	return nil
}

func (c *clientConfig) paths(names []string, h *hop) ([]string, error) {
	var out []string
	for _, n := range names {
		if strings.EqualFold(n, None) || n == "" {
			continue
		}
		p, err := c.expand(n, h)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// way lists the hops to a target, the target last. The first hop's own ProxyJump
// comes before it, as with ssh.
func (c *clientConfig) way(t Target) ([]*hop, error) {
	last, err := c.resolve(t)
	if err != nil {
		return nil, err
	}
	way := []*hop{last}
	for jump := last.jump; jump != "" && !strings.EqualFold(jump, None); jump = way[0].jump {
		var before []*hop
		for i, s := range strings.Split(jump, ",") {
			j := Target{Timeout: t.Timeout, Alive: t.Alive, KnownHosts: t.KnownHosts, IdentityFiles: t.IdentityFiles,
				CertificateFiles: t.CertificateFiles, Passphrase: t.Passphrase, Agent: t.Agent}
			if i > 0 {
				j.ProxyJump = None
			}
			if err := parseJump(strings.TrimSpace(s), &j); err != nil {
				return nil, err
			}
			h, err := c.resolve(j)
			if err != nil {
				return nil, fmt.Errorf("on the way to %s: %w", t.Host, err)
			}
			before = append(before, h)
		}
		way = append(before, way...)
		if len(way) > maxHops {
			return nil, settings("the way to %s has more than %d servers, or it goes in a circle: look at ProxyJump", t.Host, maxHops)
		}
	}
	return way, nil
}

// parseJump reads [ssh://][user@]host[:port].
func parseJump(s string, t *Target) error {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "ssh://"), "/")
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		t.User, s = s[:i], s[i+1:]
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		t.Host = strings.Trim(s, "[]")
		return nil
	}
	t.Host = host
	if t.Port, err = strconv.Atoi(port); err != nil || t.Port < 1 || t.Port > 65535 {
		return settings("port %q of the server on the way, %s, is none", port, host)
	}
	return nil
}
