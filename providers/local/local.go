package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/schema"
)

// Kind is what the program knows of pocket servers before it opens one.
func Kind() providers.Kind {
	return providers.Kind{
		Name: "local",
		Doc: "Pocket servers: a directory and a process on this machine, serving accounts with files, mail and SQLite databases " +
			"on a loopback address. `address` is the directory, relative to the configuration; `serves` are addresses in 127.0.0.0/8.",
		Options: []providers.Option{
			{Name: "http_port", Type: "number", Default: "8080", Doc: "Port on which accounts' sites are served, on every service address.", Example: "8080"},
			{Name: "smtp_port", Type: "number", Default: "8025", Doc: "Port on which mail is accepted, on every service address.", Example: "8025"},
			{Name: depotOption, Type: "string", Doc: "Directory that runtimes are installed from, as NAME/VERSION/NAME, when the server is provisioned or reinstalled.", Example: "depot"},
			{Name: "supervised", Type: "bool", Default: "false", Doc: "Somebody else (an init) starts the server's process and starts it again when it ends; Stopover only waits for it.", Example: "true"},
			{Name: "names", Type: "string", Doc: "Host names that are the server's own, separated by spaces: what mentions them in files of accounts is found. Used when the server is provisioned.", Example: "client.example"},
			{Name: "outgoing", Type: "string", Doc: "Addresses that connections from the server come from, separated by spaces: what account owners are told. Used when the server is provisioned.", Example: "192.0.2.10"},
			{Name: "disk_bytes", Type: "bytes", Default: "0", Doc: "Size of the server's disk, where that is to be less than the file system it lies on; 0: that of the file system. Capacity is computed with it. Used when the server is provisioned.", Example: "20GB"},
			{Name: "disk_inodes", Type: "number", Default: "0", Doc: "How many files and directories the server's disk holds; 0: as many as the file system. Used when the server is provisioned.", Example: "1000000"},
			{Name: idleOption, Type: "duration", Default: "1h", Doc: "How long the server's process stays when it serves no account and nobody calls; 0 means for ever.", Example: "10m"},
		},
		Address: providers.Option{Name: "address", Type: "string", Required: true, Example: "servers/client",
			Doc: "The server's directory, relative to the configuration. It is made when the server is provisioned."},
		Can:      abilities(),
		Cannot:   cannot(),
		Findings: findings(),
		Open:     open,
	}
}

// server is an opened pocket server; its process is started at the first call
// that needs it.
type server struct {
	*agent.Client
	config schema.Server
	dir    string
	depot  string
	start  starter
}

func open(_ context.Context, s schema.Server, env providers.Env) (providers.Server, error) {
	if s.Address == "" {
		return nil, fmt.Errorf("server %s: a pocket server needs an address: its directory", s.Name)
	}
	dir := s.Address
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(env.Dir, dir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	o := &server{config: s, dir: dir, start: starter{executable: env.Executable, supervised: s.Options["supervised"] == "true"}}
	if d := s.Options[depotOption]; d != "" {
		if !filepath.IsAbs(d) {
			d = filepath.Join(env.Dir, d)
		}
		if o.depot, err = filepath.Abs(d); err != nil {
			return nil, err
		}
	}
	o.Client, err = agent.NewClient(dir, func(ctx context.Context, dir string) (net.Conn, error) {
		if err := ensure(ctx, dir, o.start); err != nil {
			return nil, err
		}
		return Dial(ctx, dir)
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// Survey reads what is there. A server that is absent or does not answer is
// said to be so; that is not an error.
func (s *server) Survey(ctx context.Context, opts providers.SurveyOptions) (*schema.FoundServer, error) {
	presence, err := schema.Present, ensure(ctx, s.dir, s.start)
	var found *schema.FoundServer
	if err == nil {
		found, err = s.Client.Survey(ctx, opts)
	}
	switch {
	case errors.Is(err, providers.ErrAbsent):
		presence = schema.Absent
	case err != nil:
		presence = schema.Unreachable
	}
	if presence != schema.Present {
		found = &schema.FoundServer{Addresses: s.config.Serves, Listening: []string{}, Accounts: []*schema.FoundAccount{},
			Can: everything(), Cannot: cannot()}
		if presence == schema.Unreachable {
			found.Error = err.Error()
		}
	}
	found.Name, found.Presence, found.Provider = s.config.Name, presence, "local"
	return found, nil
}

// Abilities says what a pocket server can do: all that it takes to move accounts.
func (s *server) Abilities() providers.Abilities {
	return providers.Abilities{
		Owner: s.Client, Copier: s.Client, Machine: s, Runtimes: s.Client, Keeper: s.Client, Disposer: s.Client, Trier: s.Client, Operator: s.Client,
		Cannot: cannot(),
	}
}

// Provision makes the server's directory and starts its process. It does
// nothing when the server is there already.
func (s *server) Provision(ctx context.Context, _ *schema.FoundServer, arch schema.Architecture) error {
	if _, err := os.Stat(filepath.Join(s.dir, serverFile)); err == nil {
		return ensure(ctx, s.dir, s.start)
	}
	d, err := s.describe()
	if err != nil {
		return err
	}
	if err := lacking(s.depot, arch); err != nil {
		return err
	}
	if err := s.emptyOrOurs(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o711); err != nil {
		return fmt.Errorf("provision %s: %w", s.config.Name, err)
	}
	// An order of installation, like that of a reinstallation, survives a kill.
	id := randomID()
	if err := renameio.WriteFile(filepath.Join(s.dir, machineFile), []byte(id+"\n"), 0o600, renameio.WithTempDir(s.dir)); err != nil {
		return fmt.Errorf("provision %s: %w", s.config.Name, err)
	}
	b, err := json.Marshal(order{Machine: id, New: id, Server: d, Architecture: arch})
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(s.dir+reinstallExt, b, 0o600, renameio.WithTempDir(filepath.Dir(s.dir))); err != nil {
		return fmt.Errorf("provision %s: %w", s.config.Name, err)
	}
	return ensure(ctx, s.dir, s.start)
}

// Reinstall orders the wipe of a sealed server. The depot of the configuration
// counts where the server itself was described without one.
func (s *server) Reinstall(ctx context.Context, term, seal uint64, machine string, arch schema.Architecture) error {
	if s.depot != "" {
		if err := lacking(s.depot, arch); err != nil {
			return err
		}
		path := filepath.Join(s.dir, runDir, depotFile)
		if err := renameio.WriteFile(path, []byte(s.depot), 0o600); err != nil {
			return fmt.Errorf("reinstall %s: %w", s.config.Name, err)
		}
	}
	return s.Client.Reinstall(ctx, term, seal, machine, arch)
}

// emptyOrOurs refuses to make a server out of somebody's directory.
func (s *server) emptyOrOurs() error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("provision %s: %w", s.config.Name, err)
	}
	for _, e := range entries {
		if n := e.Name(); n != machineFile && n != lockFile && n != logFile {
			return fmt.Errorf("provision %s: %s is not empty and not a pocket server (it holds %s): choose another address or move it away",
				s.config.Name, s.dir, schema.QuoteName(n))
		}
	}
	return nil
}

func (s *server) describe() (description.Server, error) {
	port := func(option string, def int) (int, error) {
		v := s.config.Options[option]
		if v == "" {
			return def, nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 65535 {
			return 0, fmt.Errorf("server %s: option %s: %q is not a port", s.config.Name, option, v)
		}
		return n, nil
	}
	web, err := port("http_port", 8080)
	if err != nil {
		return description.Server{}, err
	}
	mail, err := port("smtp_port", 8025)
	if err != nil {
		return description.Server{}, err
	}
	d := description.Server{Name: s.config.Name, Architecture: "none", HTTPPort: web, SMTPPort: mail, Serves: s.config.Serves, Options: map[string]string{}}
	d.Names, d.Outgoing = strings.Fields(s.config.Options["names"]), strings.Fields(s.config.Options["outgoing"])
	if d.DiskBytes, err = s.number("disk_bytes"); err != nil {
		return description.Server{}, err
	}
	if d.DiskInodes, err = s.number("disk_inodes"); err != nil {
		return description.Server{}, err
	}
	if s.depot != "" {
		d.Options[depotOption] = s.depot
	}
	if v := s.config.Options[idleOption]; v != "" {
		if _, err := time.ParseDuration(v); err != nil {
			return description.Server{}, fmt.Errorf("server %s: option %s: %w", s.config.Name, idleOption, err)
		}
		d.Options[idleOption] = v
	}
	if err := d.Validate(); err != nil {
		return description.Server{}, fmt.Errorf("server %s: %w", s.config.Name, err)
	}
	return d, nil
}

// number reads an option that is a number of something; 0 where it is not given.
func (s *server) number(option string) (int64, error) {
	v := s.config.Options[option]
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("server %s: option %s: %q is not a number", s.config.Name, option, v)
	}
	return n, nil
}

// Stop ends the process of the pocket server in dir, and with it the programs
// of its accounts. It is no error if it does not run.
func Stop(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if c, err := Dial(ctx, dir); err != nil {
		return nil
	} else if err := c.Close(); err != nil {
		return err
	}
	c, err := agent.NewClient(dir, Dial)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Stop(ctx); err != nil {
		return err
	}
	for {
		// The lock is free once the process has ended.
		f, err := lock(dir)
		if err == nil {
			return f.Close()
		}
		if !errors.Is(err, errRunning) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
