package linux

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/renameio/v2"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/deploy"
	"github.com/stopover/stopover/schema"
)

// A survey is remembered in one file, whose name says of what: server, options
// and layout, in a digest. Whatever cannot be read is as good as not there.

// cacheFormat changes whenever what a survey holds does.
const cacheFormat = "stopover survey 1"

const (
	cacheExt  = ".survey"
	maxCached = 256 << 20           // bytes of a survey that is read again, as it lies in memory
	keptFor   = 30 * 24 * time.Hour // after which a file that nobody asks for is deleted
)

// cached is what a file holds.
type cached struct {
	Format string
	At     time.Time
	Found  *schema.FoundServer
}

func cacheModes() (cbor.EncMode, cbor.DecMode, error) {
	o := cbor.CoreDetEncOptions()
	o.Time = cbor.TimeRFC3339Nano
	enc, err := o.EncMode()
	if err != nil {
		return nil, nil, err
	}
	// Names of files need not be UTF-8.
	dec, err := cbor.DecOptions{MaxArrayElements: 1 << 22, MaxMapPairs: 1 << 20, MaxNestedLevels: 32, UTF8: cbor.UTF8DecodeInvalid}.DecMode()
	return enc, dec, err
}

// cacheFile is where the server's survey is remembered; "" if it is not.
func (s *server) cacheFile() string {
	if s.env.Cache == "" || s.options.age <= 0 {
		return ""
	}
	b, err := json.Marshal(struct {
		Format, Protocol, Address string
		Agents                    []string // another one may see more
		Serves                    []string
		Options                   map[string]string // secrets are references here
		Layout                    schema.Layout
	}{cacheFormat, agent.Version, s.config.Address, agents(s.env.Executable), s.config.Serves, s.config.Options, s.options.layout})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return filepath.Join(s.env.Cache, kindName+"-"+hex.EncodeToString(sum[:16])+cacheExt)
}

// agents tells the agents that are here from others, without reading them.
func agents(executable string) []string {
	var out []string
	for _, arch := range []string{"amd64", "arm64"} {
		path, err := deploy.Find(executable, "linux", arch)
		if err != nil {
			continue
		}
		if i, err := os.Stat(path); err == nil {
			out = append(out, fmt.Sprintf("%s %d %d", arch, i.Size(), i.ModTime().UnixNano()))
		}
	}
	return out
}

// remembered returns what was seen of the server, if that is young enough.
func (s *server) remembered() *schema.FoundServer {
	path := s.cacheFile()
	if path == "" {
		return nil
	}
	c, err := readCached(path)
	if err != nil {
		return nil // the file cannot be read, or was written by another version
	}
	if age := s.now().Sub(c.At); age < 0 || age > s.options.age {
		return nil
	}
	c.Found.At, c.Found.Remembered = c.At.UTC(), true
	return c.Found
}

func readCached(path string) (*cached, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(z, maxCached+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxCached {
		return nil, errors.New("it is too large")
	}
	_, dec, err := cacheModes()
	if err != nil {
		return nil, err
	}
	var c cached
	if err := dec.Unmarshal(b, &c); err != nil {
		return nil, err
	}
	if c.Format != cacheFormat || c.Found == nil || c.Found.Presence != schema.Present {
		return nil, fmt.Errorf("it is a survey of format %q", c.Format)
	}
	return &c, plausible(c.Found)
}

// remember keeps what was seen. That it could not be kept hurts nobody but who
// waits for the next survey.
func (s *server) remember(f *schema.FoundServer) {
	path := s.cacheFile()
	if path == "" {
		return
	}
	enc, _, err := cacheModes()
	if err != nil {
		return
	}
	raw, err := enc.Marshal(cached{cacheFormat, f.At, f})
	if err != nil {
		return
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if _, err = z.Write(raw); errors.Join(err, z.Close()) != nil {
		return
	}
	if os.MkdirAll(s.env.Cache, 0o700) != nil {
		return
	}
	if renameio.WriteFile(path, b.Bytes(), 0o600, renameio.WithTempDir(s.env.Cache)) == nil {
		s.forget()
	}
}

// forget deletes surveys that nobody asked for in a long time: of servers that
// have other options now, or that are gone.
func (s *server) forget() {
	entries, err := os.ReadDir(s.env.Cache)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), kindName+"-") || !strings.HasSuffix(e.Name(), cacheExt) {
			continue
		}
		if i, err := e.Info(); err == nil && i.Mode().IsRegular() && s.now().Sub(i.ModTime()) > keptFor {
			_ = os.Remove(filepath.Join(s.env.Cache, e.Name()))
		}
	}
}
