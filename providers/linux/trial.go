package linux

import (
	"context"
	"errors"
	"io"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/trial"
	"github.com/stopover/stopover/schema"
)

// Dump implements providers.Dumper: the agent writes the database.
func (s *server) Dump(ctx context.Context, _ string, d schema.Database, w io.Writer) (providers.Dumped, error) {
	login, client, err := s.asked(ctx, d.Engine)
	if err != nil {
		return providers.Dumped{}, err
	}
	out, err := client.Dump(ctx, agent.DumpRequest{Engine: d.Engine, Database: d.Name, Login: login, Layout: s.options.layout}, w)
	return providers.Dumped{Bytes: out.Bytes, Warnings: out.Warnings, Tables: out.Tables}, s.lost(client, err)
}

// TryDump implements providers.Loader: the agent loads the dump under a scratch
// name, looks at it and drops it.
func (s *server) TryDump(ctx context.Context, account string, d schema.Database, r io.Reader) (schema.TriedDatabase, error) {
	login, client, err := s.asked(ctx, d.Engine)
	if err != nil {
		return schema.TriedDatabase{}, err
	}
	out, err := client.Load(ctx, agent.LoadRequest{Engine: d.Engine, Database: d.Name, Scratch: trial.Scratch(account, d.Engine, d.Name),
		Login: login, Layout: s.options.layout, Detail: d.Detail}, r)
	return out, s.lost(client, err)
}

// asked is a client to the agent, and who it asks an engine as.
func (s *server) asked(ctx context.Context, engine string) (agent.EngineLogin, *agent.LookClient, error) {
	logins, err := s.options.logins(ctx, s.env)
	if err != nil {
		return agent.EngineLogin{}, nil, err
	}
	client, err := s.connected(ctx)
	return logins[engine], client, err
}

// lost forgets a client whose connection is gone: the next call connects anew.
func (s *server) lost(c *agent.LookClient, err error) error {
	if errors.Is(err, providers.ErrUnreachable) {
		s.drop(c)
	}
	return err
}
