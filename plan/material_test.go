package plan

import (
	"testing"

	"github.com/stopover/stopover/schema"
)

// TestSettings: one line for each object, sorted, whatever order they are in.
func TestSettings(t *testing.T) {
	var lines settingLines
	for want, f := range map[string]*schema.FoundAccount{
		"": {},
		"domain a.example\ndomain b.example external\nprogram app php\nprogram web\nruntime php  \nruntime php 8.2 site\ntask nightly 0 3 * * *": {
			Domains:  []schema.Domain{{Name: "a.example"}, {Name: "b.example", DNS: "external"}},
			Programs: []schema.Program{{Name: "app", Runtime: "php"}, {Name: "web"}},
			Runtimes: []schema.RuntimeUse{{Name: "php", Version: "8.2", By: "site"}, {Name: "php"}},
			Tasks:    []schema.Task{{Name: "nightly", Schedule: "0 3 * * *"}}},
		"domain a.example\ndomain b.example\nprogram x%0Ay": {
			Domains:  []schema.Domain{{Name: "b.example"}, {Name: "a.example"}},
			Programs: []schema.Program{{Name: "x\ny"}}},
	} {
		if got := settings(f, &lines); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
