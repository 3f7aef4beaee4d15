//go:build linux

package main

import (
	"context"
	"io"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/look"
	"github.com/stopover/stopover/providers/linux/trial"
	"github.com/stopover/stopover/schema"
)

// looker puts together what the agent can do.
func looker(log hclog.Logger) agent.Looker { return &machine{look.Machine{Log: log}} }

// machine is the server that the agent runs on.
type machine struct{ look.Machine }

// Dump implements agent.Looker.
func (*machine) Dump(ctx context.Context, q agent.DumpRequest, w io.Writer) (agent.Dumped, error) {
	return trial.Dump(ctx, q, w)
}

// Load implements agent.Looker.
func (*machine) Load(ctx context.Context, q agent.LoadRequest, r io.Reader) (schema.TriedDatabase, error) {
	return trial.Load(ctx, q, r)
}
