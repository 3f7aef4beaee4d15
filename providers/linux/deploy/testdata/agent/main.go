// This agent is what tests put on a server: it does what it is told in the
// place of looking.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/deploy/serve"
	"github.com/stopover/stopover/schema"
)

type looker struct{}

func (looker) Look(ctx context.Context, q agent.LookRequest, account func(*schema.FoundAccount) error, _ func(providers.Progress)) (*schema.FoundServer, error) {
	for _, name := range q.Names {
		word, rest, _ := strings.Cut(name, ":")
		switch word {
		case "say":
			fmt.Fprintln(os.Stderr, rest)
		case "print": // must not get between the frames
			fmt.Println(rest)
		case "exit":
			os.Exit(9)
		case "child":
			_ = exec.Command("sleep", rest).Start()
		case "account":
			if err := account(&schema.FoundAccount{Name: rest}); err != nil {
				return nil, err
			}
		case "wait": // and put something away when the connection is gone
			<-ctx.Done()
			_ = os.WriteFile(rest, []byte("put away"), 0o600)
			return nil, ctx.Err()
		case "stuck":
			time.Sleep(time.Hour)
		}
	}
	return &schema.FoundServer{Name: "here"}, nil
}

func (looker) Dump(context.Context, agent.DumpRequest, io.Writer) (agent.Dumped, error) {
	return agent.Dumped{}, errors.New("nothing to dump")
}

func (looker) Load(_ context.Context, _ agent.LoadRequest, r io.Reader) (schema.TriedDatabase, error) {
	n, err := io.Copy(io.Discard, r)
	return schema.TriedDatabase{Name: fmt.Sprint(n)}, err
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Println("test")
		return
	}
	if err := serve.Humble(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	log := hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Warn})
	err := serve.Stdio(context.Background(), looker{}, log)
	serve.Leave()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
