package condition_test

import (
	"testing"

	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile/condition"
)

// A check that stops an account stops it under its new name too; what has an old
// name and is still there is another account.
func TestCheckFollowsRename(t *testing.T) {
	rule := schema.Condition{Name: "not yet", Severity: schema.Blocker, Accounts: []string{"blog"}, Condition: "false", Message: `"not yet"`}
	cfg := &schema.Config{Migration: schema.Migration{Source: "client", Transit: "transit",
		Moved: []schema.Moved{{From: "blog", To: "kiosk"}, {From: "kiosk", To: "shop"}}}}
	for _, c := range []struct {
		on   []string
		want string
	}{{[]string{"shop", "other"}, "shop"}, {[]string{"blog", "shop"}, "blog"}} {
		server := &schema.FoundServer{Name: "client", Presence: schema.Present, Known: true}
		for _, name := range c.on {
			server.Accounts = append(server.Accounts, &schema.FoundAccount{Name: name})
		}
		got, diags := condition.Checks([]schema.Condition{rule}, &schema.Inventory{Servers: map[string]*schema.FoundServer{"client": server}}, cfg)
		if len(diags) > 0 || len(got) != 1 || got[0].Account != c.want || got[0].Severity != schema.Blocker {
			t.Errorf("%v: %+v %+v", c.on, got, diags)
		}
	}
}
