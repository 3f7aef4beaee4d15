//go:build linux

// Command stopover-agent is what Stopover runs on servers: it looks, tries and
// answers, over the streams of an SSH connection, and ends with them. Nobody
// runs it by hand.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers/linux/deploy/serve"
)

const usage = `usage: stopover-agent serve --stdio
       stopover-agent version
Stopover puts this program on servers and runs it by itself.
`

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	switch {
	case slices.Equal(args, []string{"version"}):
		fmt.Println("stopover-agent", version())
		return 0
	case !slices.Equal(args, []string{"serve", "--stdio"}):
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	if err := serve.Humble(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	log := hclog.New(&hclog.LoggerOptions{Name: "stopover-agent", Output: os.Stderr, Level: hclog.Warn, DisableTime: true})
	err := serve.Stdio(context.Background(), looker(log), log)
	serve.Leave()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
