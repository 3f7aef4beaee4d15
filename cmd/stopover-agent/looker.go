//go:build linux

package main

import (
	"context"
	"errors"
	"io"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// looker puts together what the agent can do.
func looker(hclog.Logger) agent.Looker { return nothing{} }

var errNothing = errors.New("this build of the agent can neither survey nor try databases")

// nothing is an agent that says that it can do nothing.
type nothing struct{}

func (nothing) Look(context.Context, agent.LookRequest, func(*schema.FoundAccount) error, func(providers.Progress)) (*schema.FoundServer, error) {
	return nil, errNothing
}

func (nothing) Dump(context.Context, agent.DumpRequest, io.Writer) (agent.Dumped, error) {
	return agent.Dumped{}, errNothing
}

func (nothing) Load(context.Context, agent.LoadRequest, io.Reader) (schema.TriedDatabase, error) {
	return schema.TriedDatabase{}, errNothing
}
