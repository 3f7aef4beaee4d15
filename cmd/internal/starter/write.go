package starter

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stopover/stopover/providers"
)

// quote writes a string of the language. What it is given came from a server or
// a command line: "${" would be evaluated, a line end would end the line.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			fmt.Fprintf(&b, `\u%04x`, r) // "$${" would do, but not behind another "$"
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// list writes a list of strings; one that cannot be written is left out.
func list(items []string) string {
	var out []string
	for _, s := range items {
		if writable(s) {
			out = append(out, quote(s))
		}
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// value writes an option the way its type wants it.
func value(o providers.Option, v string) string {
	if o.Type == "number" || o.Type == "bool" {
		return v
	}
	return quote(v)
}

// writable says whether a string of the language can hold a name: it is UTF-8
// without null characters.
func writable(s string) bool { return s != "" && utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// bytesGlob is a pattern that matches exactly a name, whatever bytes it holds.
func bytesGlob(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02X`, c)
		case strings.IndexByte(`*?[\`, c) >= 0:
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// comment makes a text fit for a comment: one line, nothing that steers a
// terminal.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

func isLocal(k providers.Kind) bool { return k.Name == "local" }

// beside is a directory beside that of the source's pocket server.
func beside(address string) string {
	dir := filepath.Dir(filepath.Clean(address))
	if filepath.Base(address) == "transit" {
		return filepath.Join(dir, "transit-2")
	}
	return filepath.Join(dir, "transit")
}

// addresses are the service addresses of the two servers: those that the source
// has, and for a pocket server the next loopback address for transit. Nobody can
// guess those of a real one.
func addresses(r Request) (own, transit []string) {
	if r.Found == nil {
		if isLocal(r.Kind) {
			return []string{"127.0.10.1"}, []string{"127.0.10.2"}
		}
		return nil, nil
	}
	own = r.Found.Addresses
	if !isLocal(r.Kind) || len(own) == 0 {
		return own, nil
	}
	next, err := netip.ParseAddr(own[len(own)-1])
	if err != nil {
		return own, nil
	}
	if next = next.Next(); next.IsLoopback() {
		return own, []string{next.String()}
	}
	return own, nil
}
