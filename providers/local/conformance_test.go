package local_test

import (
	"os"
	"testing"

	"github.com/stopover/stopover/providers/providertest"
)

// self is the harness whose servers are processes of this test binary.
func self(t *testing.T) harness {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return harness{executable: exe}
}

func TestConformance(t *testing.T) {
	providertest.Run(t, self(t))
}
