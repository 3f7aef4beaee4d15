package description

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/google/renameio/v2"

	"github.com/stopover/stopover/schema"
)

// MaxBytes is the largest description that is read.
const MaxBytes = 4 << 20

// Names of files and folders in a server's directory.
const (
	ServerFile   = "server.json"
	AccountsDir  = "accounts"
	RuntimesDir  = "runtimes"
	AccountFile  = "account.json"
	HomeDir      = "home"
	MailDir      = "mail"
	DatabasesDir = "databases"
	IDFile       = "account.id" // what the server itself knows of an account
	BackupsDir   = "backups"    // of the server: a folder for each account

	// CertificatesDir holds the certificates of an account as PEM files. It is in
	// its home, so that they go where the account goes.
	CertificatesDir = "home/certificates"
)

// ParseServer reads a server.json.
func ParseServer(data []byte) (*Server, error) {
	s := new(Server)
	if err := strict(data, s); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, nil
}

// ParseAccount reads an account.json.
func ParseAccount(data []byte) (*Account, error) {
	a := new(Account)
	if err := strict(data, a); err != nil {
		return nil, err
	}
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return a, nil
}

// strict refuses what encoding/json lets pass: fields that mean nothing here
// (a typing error would be ignored in silence) and anything after the value.
func strict(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return position(data, d, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows after the end of the description")
	}
	return nil
}

// position adds the line to an error of the JSON decoder.
func position(data []byte, d *json.Decoder, err error) error {
	at := d.InputOffset()
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		at = int64(len(data))
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	}
	line := 1 + bytes.Count(data[:min(int(at), len(data))], []byte("\n"))
	return fmt.Errorf("line %d: %w", line, err)
}

// ReadServer reads DIR/server.json.
func ReadServer(dir string) (*Server, error) {
	data, err := read(filepath.Join(dir, ServerFile))
	if err != nil {
		return nil, fmt.Errorf("read description of server: %w", err)
	}
	s, err := ParseServer(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, ServerFile), err)
	}
	return s, nil
}

// WriteServer writes DIR/server.json, durably, in one step.
func WriteServer(dir string, s *Server) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("write description of server %q: %w", s.Name, err)
	}
	if err := write(filepath.Join(dir, ServerFile), s); err != nil {
		return fmt.Errorf("write description of server %q: %w", s.Name, err)
	}
	return nil
}

// AccountDir is where an account's things lie in a server's directory.
func AccountDir(dir, name string) (string, error) {
	escaped, err := schema.EscapeName(name)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, AccountsDir, escaped), nil
}

// ReadAccount reads the account.json of an account. The name in the result is
// always set.
func ReadAccount(dir, name string) (*Account, error) {
	at, err := AccountDir(dir, name)
	if err != nil {
		return nil, err
	}
	data, err := read(filepath.Join(at, AccountFile))
	if err != nil {
		return nil, fmt.Errorf("read description of account %q: %w", name, err)
	}
	a, err := ParseAccount(data)
	if err != nil {
		return nil, fmt.Errorf("read description of account %q: %w", name, err)
	}
	if a.Name != "" && a.Name != name {
		return nil, fmt.Errorf("read description of account %q: it says that it is of %q", name, a.Name)
	}
	a.Name = name
	return a, nil
}

// WriteAccount writes the account.json of an account, whose directory has to
// be there, durably, in one step.
func WriteAccount(dir string, a *Account) error {
	if err := a.Validate(); err != nil {
		return fmt.Errorf("write description of account %q: %w", a.Name, err)
	}
	at, err := AccountDir(dir, a.Name)
	if err != nil {
		return err
	}
	out := *a
	if !utf8.ValidString(a.Name) {
		out.Name = "" // JSON would change it; the directory's name holds it
	}
	if err := write(filepath.Join(at, AccountFile), &out); err != nil {
		return fmt.Errorf("write description of account %q: %w", a.Name, err)
	}
	return nil
}

// Accounts lists the names of the accounts in a server's directory, sorted.
// Folders whose names are not escaped names come back as strays: what they are
// nobody knows, and nothing may be done with them. No accounts folder means no
// accounts.
func Accounts(dir string) (names, strays []string, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, AccountsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list accounts: %w", err)
	}
	for _, e := range entries {
		name, err := schema.UnescapeName(e.Name())
		if err != nil || !e.IsDir() {
			strays = append(strays, e.Name())
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, strays, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, MaxBytes)
	}
	return data, nil
}

func write(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(path, append(data, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync() // the rename too has to survive a loss of power
}
