//go:build linux

package look

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/stopover/stopover/schema"
)

const (
	maxKeyFile = 1 << 20
	maxKeys    = 1000
	maxComment = 200
	maxOptions = 1000
)

// keys reads who may log in as an account by key.
func (w *world) keys(a *account) []schema.Key {
	var out []schema.Key
	for _, p := range w.placesOf(a, w.layout.Keys) {
		text, err := w.readPlace(p, maxKeyFile)
		if err != nil {
			w.m.Log.Debug("no keys", "file", p.path(), "error", err)
			continue
		}
		lines(text, func(n int, line string) bool {
			if k, ok := parseKey(line); ok {
				k.Line = n
				out = append(out, k)
			}
			if len(out) >= maxKeys {
				a.truncated("keys")
				return false
			}
			return true
		})
	}
	return out
}

// parseKey reads one line of authorized_keys, by sshd(8).
func parseKey(line string) (k schema.Key, ok bool) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return k, false
	}
	if k, ok = parseBareKey(line); ok {
		return k, true
	}
	options, rest := cutOptions(line)
	if k, ok = parseBareKey(rest); !ok {
		return k, false
	}
	k.Options = clip(masked(hideEnvironment(options)), maxOptions)
	return k, true
}

// parseBareKey reads type, key and comment. A key whose bytes do not say the
// same type as the word before them is none.
func parseBareKey(line string) (k schema.Key, ok bool) {
	kind, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimLeft(rest, " \t")
	data, comment, _ := strings.Cut(rest, " ")
	blob, err := base64.StdEncoding.DecodeString(strings.TrimRight(data, "\t"))
	if err != nil || len(blob) < 4 {
		return k, false
	}
	n := binary.BigEndian.Uint32(blob)
	if uint64(n) > uint64(len(blob)-4) || !bytes.Equal(blob[4:4+n], []byte(kind)) {
		return k, false
	}
	sum := sha256.Sum256(blob)
	return schema.Key{Type: kind, Fingerprint: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), Comment: clip(strings.TrimSpace(comment), maxComment)}, true
}

// cutOptions cuts a line behind its options, which may hold blanks between
// quotes.
func cutOptions(line string) (options, rest string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case ' ', '\t':
			if !quoted {
				return line[:i], strings.TrimLeft(line[i:], " \t")
			}
		}
	}
	return line, ""
}

// hideEnvironment leaves the values of environment options out: people keep
// tokens there.
func hideEnvironment(options string) string {
	const name = `environment="`
	var out strings.Builder
	for {
		i := strings.Index(strings.ToLower(options), name)
		if i < 0 {
			return out.String() + options
		}
		i += len(name)
		end := i
		for end < len(options) && options[end] != '"' {
			if options[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end, len(options))
		variable, _, _ := strings.Cut(options[i:end], "=")
		out.WriteString(options[:i] + variable + "=…")
		options = options[end:]
	}
}

// clip bounds a text that came from a server; what is cut is marked.
func clip(s string, n int) string {
	if len(s) <= n {
		return strings.Clone(s) // not a part of the whole file that it came from
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
