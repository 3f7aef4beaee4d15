package schema

import (
	"fmt"
	"strings"
)

// MaxEscapedName is the longest escaped name in bytes: what a file name may
// have on the file systems that accounts live on.
const MaxEscapedName = 255

const upperHex = "0123456789ABCDEF"

// EscapeName turns the name of an account, or of any other object that users
// name, into one that is safe as a file name, in a step's ID and in a glob:
// letters, digits, "_", "." and "-" stay, every other byte becomes %XX, and so
// does a leading "." or "-". The result is never empty, and each name has
// exactly one; UnescapeName is the way back. Names of any bytes are accepted,
// invalid UTF-8 too. It is an error if the name is empty, or if the result has
// more than MaxEscapedName bytes.
func EscapeName(name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("escape name: the name is empty")
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if plainInName(c, i) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	if b.Len() > MaxEscapedName {
		return "", fmt.Errorf("escape name %.40q…: %d bytes when escaped, at most %d fit", name, b.Len(), MaxEscapedName)
	}
	return b.String(), nil
}

// UnescapeName is the inverse of EscapeName. It refuses every spelling that
// EscapeName would not have written, so that two different escaped names are
// never the same account.
func UnescapeName(escaped string) (string, error) {
	if escaped == "" {
		return "", fmt.Errorf("unescape name: the name is empty")
	}
	if len(escaped) > MaxEscapedName {
		return "", fmt.Errorf("unescape name %.40q…: longer than %d bytes", escaped, MaxEscapedName)
	}
	name := make([]byte, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c == '%' {
			if i+2 >= len(escaped) {
				return "", fmt.Errorf("unescape name %q: ends inside of %%XX", escaped)
			}
			hi, lo := strings.IndexByte(upperHex, escaped[i+1]), strings.IndexByte(upperHex, escaped[i+2])
			if hi < 0 || lo < 0 {
				return "", fmt.Errorf("unescape name %q: %q is not %%XX with upper-case hexadecimal digits", escaped, escaped[i:i+3])
			}
			c = byte(hi<<4 | lo)
			if plainInName(c, len(name)) {
				return "", fmt.Errorf("unescape name %q: %q must be written as %q", escaped, escaped[i:i+3], string(c))
			}
			i += 2
		} else if !plainInName(c, len(name)) {
			return "", fmt.Errorf("unescape name %q: %q must be written as %%%02X", escaped, string([]byte{c}), c)
		}
		name = append(name, c)
	}
	return string(name), nil
}

// plainInName tells whether a byte at a position of the unescaped name stands
// for itself. A leading dot would hide a file and make "." and "..", a leading
// dash would look like an option.
func plainInName(c byte, at int) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
		return true
	case c == '.', c == '-':
		return at > 0
	}
	return false
}
