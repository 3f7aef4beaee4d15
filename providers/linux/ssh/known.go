package ssh

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknown "golang.org/x/crypto/ssh/knownhosts"
)

const absentMark = " (not there)"

// knownHosts is what is known of one server's keys.
type knownHosts struct {
	db      *knownhosts.HostKeyDB
	address string // host:port, for messages
	name    string // under which the keys are kept
	files   []string
}

func readKnown(h *hop) (*knownHosts, error) {
	k := &knownHosts{address: net.JoinHostPort(h.host, h.port)}
	k.name = k.address
	if h.hostAlias != "" {
		k.name = net.JoinHostPort(strings.ToLower(h.hostAlias), "22")
	}
	var there []string
	for _, f := range h.known {
		info, err := os.Stat(f)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			k.files = append(k.files, f+absentMark)
			continue
		case err != nil:
			return nil, settings("known hosts: %w", err)
		case info.Mode()&fs.ModeCharDevice != 0: // /dev/null is a way to say none
			continue
		case !info.Mode().IsRegular():
			return nil, settings("known hosts: %s is no file", f)
		}
		k.files = append(k.files, f)
		there = append(there, f)
	}
	db, err := knownhosts.NewDB(there...)
	if err != nil {
		return nil, settings("%s. Mend or remove that line: as long as it cannot be read no server is trusted", Plain([]byte(err.Error()), maxSaid))
	}
	k.db = db
	return k, nil
}

// algorithms orders what is asked of the server so that it shows a key that is
// known, if it has one. All others follow: their keys are refused, but with a
// message that shows them. Certificates are asked for only where an authority
// is known, for without one nothing can be said of them.
func (k *knownHosts) algorithms(all []string) []string {
	if all == nil {
		all = ssh.SupportedAlgorithms().HostKeys
	}
	var out, plain []string
	authority := false
	for _, key := range k.db.HostKeys(k.name) {
		if key.Cert {
			authority = true
			continue
		}
		if key.Type() == ssh.KeyAlgoRSA {
			plain = append(plain, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		}
		plain = append(plain, key.Type())
	}
	isCert := func(a string) bool { return strings.Contains(a, "-cert-v0") }
	if authority {
		for _, a := range all {
			if isCert(a) {
				out = append(out, a)
			}
		}
	}
	for _, a := range append(plain, all...) {
		if !isCert(a) && slices.Contains(all, a) {
			out = append(out, a)
		}
	}
	return compact(out)
}

// check is asked for every key that the server shows.
func (k *knownHosts) check(_ string, remote net.Addr, key ssh.PublicKey) error {
	if _, ok := remote.(*net.TCPAddr); !ok { // the library takes it apart
		remote = &net.TCPAddr{IP: net.IPv4zero}
	}
	err := k.db.HostKeyCallback()(k.name, remote, key)
	cert, isCert := key.(*ssh.Certificate)
	if err == nil && (isCert || k.plain(key)) {
		return nil
	}
	shown := key
	if isCert {
		shown = cert.Key
	}
	e := &HostKeyError{Address: k.address, Problem: KeyUnknown, Type: shown.Type(), Fingerprint: ssh.FingerprintSHA256(shown),
		Files: k.files, Add: xknown.Line([]string{k.name}, shown)}
	var revoked *xknown.RevokedError
	var other *xknown.KeyError
	switch {
	case errors.As(err, &revoked):
		e.Problem, e.Known = KeyRevoked, []KnownLine{lineOf(revoked.Revoked)}
	case isCert:
		e.Problem = KeyCertificate
		if err != nil {
			e.Why = Plain([]byte(err.Error()), maxSaid)
		}
	case errors.As(err, &other):
		for _, w := range other.Want {
			if k.plain(w.Key) {
				e.Problem, e.Known = KeyChanged, append(e.Known, lineOf(w))
			}
		}
	}
	return e
}

// plain reports whether a key is known as the host's own. An authority's key on a
// @cert-authority line is not: it signs, and no host has it.
func (k *knownHosts) plain(key ssh.PublicKey) bool {
	return slices.ContainsFunc(k.db.HostKeys(k.name), func(p knownhosts.PublicKey) bool {
		return !p.Cert && string(p.Marshal()) == string(key.Marshal())
	})
}

func lineOf(k xknown.KnownKey) KnownLine {
	return KnownLine{File: k.Filename, Line: k.Line, Type: k.Key.Type(), Fingerprint: ssh.FingerprintSHA256(k.Key)}
}
