//go:build linux

package main

import (
	"context"
	"fmt"
	"io"

	"github.com/stopover/stopover/providers/linux/testbed"
)

func up(ctx context.Context, args []string, out io.Writer) error {
	b, err := testbed.Start(ctx, testbed.Options{Detach: true, Progress: out, Hosts: []testbed.HostOptions{
		{Name: "client", Release: "bookworm", Services: testbed.AllServices()},
		{Name: "transit", Release: "trixie", Services: testbed.AllServices()},
	}})
	if err != nil {
		return err
	}
	for _, h := range b.Hosts() {
		fmt.Fprintf(out, "%-12s %-10s %s\n", h.Name, h.Release(), h.Address())
	}
	return nil
}
