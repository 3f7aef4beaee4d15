package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// maxKey bounds a key file in bytes.
const maxKey = 256 << 10

// offer is one key that may open the server.
type offer struct {
	signer ssh.Signer
	from   string // file, or that it came from the agent
}

func (o offer) String() string {
	return fmt.Sprintf("key %s %s (%s)", o.signer.PublicKey().Type(), ssh.FingerprintSHA256(o.signer.PublicKey()), o.from)
}

// keyring collects the keys to offer, and why others are not.
type keyring struct {
	hop        *hop
	passphrase string
	offers     []offer
	notes      []string
	close      func()
}

// collect reads key files, the agent and certificates. deadline bounds what the
// agent takes.
func collect(h *hop, deadline time.Time) (*keyring, error) {
	k := &keyring{hop: h, close: func() {}}
	if !h.pubkey {
		k.notes = append(k.notes, "PubkeyAuthentication is off")
		return k, nil
	}
	var err error
	if k.passphrase, err = h.passphrase.resolve("passphrase"); err != nil {
		return nil, err
	}
	wanted, err := k.files()
	if err != nil {
		return nil, err
	}
	k.fromAgent(wanted, deadline)
	return k, k.certify(h.certificates)
}

// files reads the private keys. It returns the public keys of those that only
// the agent can use.
func (k *keyring) files() (wanted [][]byte, err error) {
	for _, name := range k.hop.identities {
		pub := publicOf(name + ".pub")
		if pub == nil {
			pub = publicOf(name) // IdentityFile may name a public key whose private one the agent has
		}
		if pub != nil {
			wanted = append(wanted, pub.Marshal())
		}
		signer, err := k.private(name)
		if err != nil {
			return nil, err
		}
		if signer == nil {
			continue
		}
		k.offers = append(k.offers, offer{signer, name})
		if pub == nil {
			wanted = append(wanted, signer.PublicKey().Marshal())
		}
		if err := k.certify([]string{name + "-cert.pub"}); err != nil {
			return nil, err
		}
	}
	return wanted, nil
}

// private reads a private key; nil means that it cannot be used, which is noted.
func (k *keyring) private(name string) (ssh.Signer, error) {
	b, err := readSmall(name)
	if errors.Is(err, fs.ErrNotExist) && !k.hop.given {
		return nil, nil
	}
	if err != nil {
		k.note("%s cannot be read: %v", name, err)
		return nil, nil
	}
	if info, err := os.Stat(name); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 && bytes.Contains(b, []byte("PRIVATE KEY")) {
		return nil, settings("the private key %s can be read by others (mode %04o): chmod 600 it, and consider it known to them", name, info.Mode().Perm())
	}
	signer, err := ssh.ParsePrivateKey(b)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if k.passphrase == "" {
			k.note("%s is encrypted and no passphrase is given", name)
			return nil, nil
		}
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(b, []byte(k.passphrase)); err != nil {
			if k.hop.given {
				return nil, settings("the passphrase does not open the private key %s", name)
			}
			k.note("the passphrase does not open %s", name)
			return nil, nil
		}
	}
	if err != nil {
		k.note("%s is no private key that Stopover can read (ssh-keygen -p -f rewrites it in the format of OpenSSH)", name)
		return nil, nil
	}
	return signer, nil
}

// fromAgent adds what the ssh-agent holds. With IdentitiesOnly these are only
// the wanted ones.
func (k *keyring) fromAgent(wanted [][]byte, deadline time.Time) {
	if k.hop.agent == "" {
		return
	}
	conn, err := net.DialTimeout("unix", k.hop.agent, time.Until(deadline))
	if err != nil {
		k.note("the ssh-agent at %s does not answer", k.hop.agent)
		return
	}
	k.close = func() { _ = conn.Close() }
	_ = conn.SetDeadline(deadline)
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		k.note("the ssh-agent at %s: %v", k.hop.agent, err)
		return
	}
	for _, s := range signers {
		blob := s.PublicKey().Marshal()
		if c, ok := s.PublicKey().(*ssh.Certificate); ok {
			blob = c.Key.Marshal()
		}
		if k.hop.identitiesOnly && !containsBytes(wanted, blob) {
			continue
		}
		k.offers = append(k.offers, offer{s, "ssh-agent"})
	}
}

// certify puts certificates before the keys that they are of.
func (k *keyring) certify(names []string) error {
	for _, name := range names {
		b, err := readSmall(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		pub, _, _, _, perr := ssh.ParseAuthorizedKey(b)
		cert, ok := pub.(*ssh.Certificate)
		if err != nil || perr != nil || !ok {
			return settings("%s is no SSH certificate", name)
		}
		if cert.ValidBefore != ssh.CertTimeInfinity && time.Now().Unix() >= int64(cert.ValidBefore) {
			k.note("the certificate %s ended on %s", name, time.Unix(int64(cert.ValidBefore), 0).UTC().Format(time.RFC3339))
		}
		for _, o := range k.offers {
			if !bytes.Equal(o.signer.PublicKey().Marshal(), cert.Key.Marshal()) {
				continue
			}
			signer, err := ssh.NewCertSigner(cert, o.signer)
			if err != nil {
				return settings("%s: %w", name, err)
			}
			k.offers = append([]offer{{signer, name}}, k.offers...)
			break
		}
	}
	return nil
}

func (k *keyring) note(format string, args ...any) {
	k.notes = append(k.notes, fmt.Sprintf(format, args...))
}

// signers gives each key once.
func (k *keyring) signers() []ssh.Signer {
	var out []ssh.Signer
	var seen [][]byte
	for _, o := range k.offers {
		blob := o.signer.PublicKey().Marshal()
		if !containsBytes(seen, blob) {
			seen = append(seen, blob)
			out = append(out, o.signer)
		}
	}
	return out
}

func (k *keyring) tried() []string {
	var out []string
	for _, o := range k.offers {
		out = append(out, o.String())
	}
	return out
}

func containsBytes(list [][]byte, b []byte) bool {
	for _, x := range list {
		if bytes.Equal(x, b) {
			return true
		}
	}
	return false
}

func publicOf(name string) ssh.PublicKey {
	b, err := readSmall(name)
	if err != nil {
		return nil
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil
	}
	return pub
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err == nil && len(b) > maxKey {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxKey)
	}
	return b, err
}
