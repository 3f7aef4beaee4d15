//go:build linux

package look

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

func TestDumpTmp(t *testing.T) {
	m := &Machine{}
	s, err := m.Look(context.Background(), agent.LookRequest{Layout: schema.Layout{Homes: []string{"/home/*"}, MailQueue: []string{"/var/spool/exim4/input"}}}, func(*schema.FoundAccount) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.System.Libraries = s.System.Libraries[:3]
	s.System.Packages = s.System.Packages[:3]
	s.System.Users = s.System.Users[:3]
	s.System.Groups = nil
	b, _ := json.MarshalIndent(s, "", " ")
	t.Log(string(b))
}
