//go:build linux

package testbed

import (
	"fmt"
	"os"
)

// roleEnv is set for the processes of a bed: they are this same program, run
// again under another role.
const roleEnv = "STOPOVER_TESTBED_ROLE"

// Main must be the first call of TestMain, or of main, in a program that
// starts beds. In an ordinary run it returns at once. In a process of a bed,
// which is the same program run again, it does that process's work and never
// returns.
func Main() {
	role := os.Getenv(roleEnv)
	if role == "" {
		return
	}
	_ = os.Unsetenv(roleEnv)
	var err error
	switch role {
	case "keeper":
		err = keep()
	case "init":
		err = boot()
	default:
		err = fmt.Errorf("unknown role %q", role)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "testbed %s: %v\n", role, err)
		os.Exit(1)
	}
	os.Exit(0)
}
