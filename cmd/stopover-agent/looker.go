//go:build linux

package main

import (
	"context"
	"errors"
	"io"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/look"
	"github.com/stopover/stopover/schema"
)

// looker puts together what the agent can do.
func looker(log hclog.Logger) agent.Looker { return &machine{look.Machine{Log: log}} }

// machine is the server that the agent runs on.
type machine struct{ look.Machine }

var errNoTrial = errors.New("this build of the agent cannot try databases")

// Dump implements agent.Looker.
func (*machine) Dump(context.Context, agent.DumpRequest, io.Writer) (agent.Dumped, error) {
	return agent.Dumped{}, errNoTrial
}

// Load implements agent.Looker.
func (*machine) Load(context.Context, agent.LoadRequest, io.Reader) (schema.TriedDatabase, error) {
	return schema.TriedDatabase{}, errNoTrial
}
