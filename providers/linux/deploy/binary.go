package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DirVariable names a directory of agents, instead of that of the program.
const DirVariable = "STOPOVER_AGENT_DIR"

// ErrNoAgent: there is no agent here for the server's architecture.
var ErrNoAgent = errors.New("no agent for this server")

// architectures are those that agents are built for, by what uname -m says.
func architectures() map[string]string {
	return map[string]string{"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
}

// fileName is how an agent's file is called beside stopover.
func fileName(goos, goarch string) string { return "stopover-agent-" + goos + "-" + goarch }

// Find gives the path of the agent for an operating system and architecture (as
// Go names them): in STOPOVER_AGENT_DIR, otherwise beside executable.
func Find(executable, goos, goarch string) (string, error) {
	dir := os.Getenv(DirVariable)
	if dir == "" {
		real, err := filepath.EvalSymlinks(executable)
		if err != nil {
			return "", fmt.Errorf("look for the agent beside stopover: %w", err)
		}
		dir = filepath.Dir(real)
	}
	path := filepath.Join(dir, fileName(goos, goarch))
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: %s is not there. It comes with stopover and belongs beside it, or into the directory that %s names; "+
			"from the sources, `make build` makes it, or: CGO_ENABLED=0 GOOS=%s GOARCH=%s go build -o %s ./cmd/stopover-agent",
			ErrNoAgent, path, DirVariable, goos, goarch, path)
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrNoAgent, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%w: %s is no file", ErrNoAgent, path)
	}
	return path, nil
}

// binary is an agent that can be sent.
type binary struct {
	path   string
	digest string // SHA-256, in hex
	size   int64
}

// id names a version: the first 16 digits of its digest.
func (b binary) id() string { return b.digest[:16] }

// remote is the file's name on a server.
func (b binary) remote() string { return "stopover-agent-" + b.id() }

func readBinary(path string) (binary, error) {
	f, err := os.Open(path)
	if err != nil {
		return binary{}, fmt.Errorf("agent: %w", err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return binary{}, fmt.Errorf("agent: read %s: %w", path, err)
	}
	return binary{path, hex.EncodeToString(h.Sum(nil)), n}, nil
}

// Version is the version of the agent in a file: the first 16 digits of its
// SHA-256.
func Version(path string) (string, error) {
	b, err := readBinary(path)
	if err != nil {
		return "", err
	}
	return b.id(), nil
}

// candidates are the agents that are here, by architecture.
func candidates(executable string) (map[string]binary, error) {
	out := map[string]binary{}
	var missing []error
	for _, arch := range []string{"amd64", "arm64"} {
		path, err := Find(executable, "linux", arch)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		if out[arch], err = readBinary(path); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, missing[0]
	}
	return out, nil
}

// names lists what the candidates are called on a server, sorted by architecture.
func names(all map[string]binary) []string {
	var out []string
	for _, arch := range []string{"amd64", "arm64"} {
		if b, ok := all[arch]; ok {
			out = append(out, b.remote())
		}
	}
	return out
}

func supported() string { return strings.Join([]string{"x86_64", "aarch64"}, " and ") }
