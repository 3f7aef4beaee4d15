package process_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stopover/stopover/schema/process"
)

func TestNames(t *testing.T) {
	want := []string{"direct", "private-cloud-2021", "private-cloud-2025", "self-managed"}
	if got := process.Names(); !slices.Equal(got, want) {
		t.Errorf("built-in processes are %q, want %q", got, want)
	}
}

func TestBuiltin(t *testing.T) {
	for _, name := range process.Names() {
		source, ok := process.Builtin(name)
		if !ok || !strings.Contains(string(source), "process \""+name+"\" {") {
			t.Errorf("Builtin(%q) does not hold a process of that name", name)
		}
	}
	for _, name := range []string{"", "private-cloud", "../process", "process.go", "direct.hcl", "direct\x00", "/direct", "*"} {
		if source, ok := process.Builtin(name); ok || source != nil {
			t.Errorf("Builtin(%q) found something", name)
		}
	}
}
