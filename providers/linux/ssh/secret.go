package ssh

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
)

// Secret is a reference to a secret, not the secret: env:NAME or file:PATH.
// Empty means that there is none. It may be printed.
type Secret string

// maxSecret bounds a secret's file in bytes.
const maxSecret = 64 << 10

// resolve reads the secret. A file's last line end is not part of it.
func (s Secret) resolve(what string) (string, error) {
	kind, name, _ := strings.Cut(string(s), ":")
	switch {
	case s == "":
		return "", nil
	case kind == "env" && name != "":
		v, ok := os.LookupEnv(name)
		if !ok || v == "" {
			return "", settings("the %s is to come from the environment variable %s, which is not set. Set it where stopover runs", what, name)
		}
		return v, nil
	case kind == "file" && name != "":
		f, err := os.Open(name)
		if err != nil {
			return "", settings("the %s is to come from a file: %w", what, err)
		}
		defer func() { _ = f.Close() }()
		b := make([]byte, maxSecret+1)
		n, err := io.ReadFull(f, b)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || n == 0 || n > maxSecret {
			return "", settings("the file %s, which is to hold the %s, is empty, too large or cannot be read", name, what)
		}
		return string(bytes.TrimRight(b[:n], "\r\n")), nil
	}
	// The text itself may be a secret that somebody put in the wrong place.
	return "", settings("the %s is given in a form that is no reference: write env:NAME or file:PATH", what)
}
