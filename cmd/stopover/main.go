// Stopover moves hosting accounts off a server and back.
package main

import (
	"os"

	"github.com/stopover/stopover/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
