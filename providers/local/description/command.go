package description

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// MissingRuntimeError says that a program cannot run because a runtime that it
// needs is not there.
type MissingRuntimeError struct {
	Runtime string
	Version string // empty: the account has chosen none
	Reason  string
}

// Error says which runtime is missing and why.
func (e *MissingRuntimeError) Error() string {
	if e.Version == "" {
		return fmt.Sprintf("runtime %s: %s", e.Runtime, e.Reason)
	}
	return fmt.Sprintf("runtime %s %s: %s", e.Runtime, e.Version, e.Reason)
}

// Command returns the words to start a program of the account with: a first
// word "runtime:NAME" is replaced by the executable of the version that the
// account uses. If that, or the runtime that the program names, is not
// installed on this server, the error is a *MissingRuntimeError.
func (s *Server) Command(dir string, a *Account, runtime string, command []string) ([]string, error) {
	if len(command) == 0 {
		return nil, fmt.Errorf("the command is empty")
	}
	words := append([]string(nil), command...)
	name, fromRuntime := strings.CutPrefix(command[0], RuntimePrefix)
	if !fromRuntime {
		name = runtime
	}
	if name == "" {
		return words, nil
	}
	path, err := s.executable(dir, a, name)
	if err != nil {
		return nil, err
	}
	if fromRuntime {
		words[0] = path
	}
	return words, nil
}

func (s *Server) executable(dir string, a *Account, name string) (string, error) {
	version, ok := a.Uses(name)
	if !ok {
		return "", &MissingRuntimeError{name, "", "the account has chosen no version of it; add it to runtimes_used"}
	}
	r, ok := s.Runtime(name, version)
	if !ok {
		reason := "not installed on server " + s.Name
		for _, gone := range s.RemovedRuntimes {
			if gone.Name == name && gone.Version == version {
				reason = "removed from server " + s.Name + "; it can be put back"
			}
		}
		return "", &MissingRuntimeError{name, version, reason}
	}
	path := filepath.Join(dir, RuntimesDir, r.Name, r.Version, r.Path)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", &MissingRuntimeError{name, version, err.Error()}
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return "", &MissingRuntimeError{name, version, path + " is not an executable file"}
	}
	return path, nil
}
