package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

const boxPassword = "hunter2-of-the-mailbox"

// boxes is a server of mailboxes with some messages in the first one.
func boxes(t *testing.T, password string, messages int) string {
	t.Helper()
	u := imapmemserver.NewUser("info@shop.example", password)
	if err := u.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	for range messages {
		if _, err := u.Append("INBOX", mailText{bytes.NewReader([]byte("Subject: x\r\n\r\n"))}, &imap.AppendOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	m := imapmemserver.New()
	m.AddUser(u)
	s := imapserver.New(&imapserver.Options{Caps: imap.CapSet{imap.CapIMAP4rev1: {}}, InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return m.NewSession(), nil, nil
		}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

type mailText struct{ *bytes.Reader }

func (m mailText) Size() int64 { return m.Reader.Size() }

// inside is a server's own localhost: one address, whatever is asked for.
type inside string

func (i inside) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, string(i))
}

func greets(t *testing.T, with string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, with)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// Probes of several kinds on the way out: what differs is said in words, and the
// password is nowhere.
func TestProbeKinds(t *testing.T) {
	t.Setenv("STOPOVER_TEST_BOX", boxPassword)
	mailbox := schema.Probe{Name: "box", IMAP: "info@shop.example", Password: "env:STOPOVER_TEST_BOX", Security: schema.SecurityPlain}
	port := schema.Probe{Name: "queue", TCP: "localhost:6379", Contains: "+OK"}
	own := schema.Probe{Name: "own", Command: []string{"./own", "x"}}
	for _, c := range []struct {
		name     string
		probe    schema.Probe
		before   func(*machine)
		after    func(*machine)
		ok       bool
		why      string // what differs, or why nothing moves
		unmoved  bool
		unbacked bool // no program in the directory
	}{
		{name: "mail is there", probe: mailbox, ok: true,
			before: func(m *machine) { m.services = map[string]string{"imap": boxes(t, boxPassword, 2)} },
			after:  func(m *machine) { m.services = map[string]string{"imap": boxes(t, boxPassword, 3)} }},
		{name: "mail is lost", probe: mailbox, why: "INBOX had 3 messages and has 1",
			before: func(m *machine) { m.services = map[string]string{"imap": boxes(t, boxPassword, 3)} },
			after:  func(m *machine) { m.services = map[string]string{"imap": boxes(t, boxPassword, 1)} }},
		{name: "another password", probe: mailbox, why: "login: imap: NO",
			before: func(m *machine) { m.services = map[string]string{"imap": boxes(t, boxPassword, 3)} },
			after:  func(m *machine) { m.services = map[string]string{"imap": boxes(t, "other", 3)} }},
		{name: "never a mailbox", probe: mailbox, unmoved: true, why: "mend the mailbox or the probe before anything moves",
			before: func(m *machine) { m.services = map[string]string{"imap": boxes(t, "other", 3)} }},
		{name: "localhost", probe: port, ok: true,
			before: func(m *machine) { m.dialer = inside(greets(t, "+OK 6\r\n")) },
			after:  func(m *machine) { m.dialer = inside(greets(t, "+OK 7\r\n")) }},
		{name: "another localhost", probe: port, why: `"+OK" is not in what the server says first`,
			before: func(m *machine) { m.dialer = inside(greets(t, "+OK 6\r\n")) },
			after:  func(m *machine) { m.dialer = inside(greets(t, "-ERR\r\n")) }},
		{name: "no localhost", probe: port, unmoved: true, why: "localhost:6379 is the localhost of server client, which cannot be asked there: its provider has no such ability"},
		{name: "program", probe: own, why: `its first line was "client shop x" and is "transit shop x"`},
		{name: "no program", probe: own, unmoved: true, unbacked: true, why: "run ./own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, m := memoryTrip(t, "shop")
			j.config.Migration.Accounts = []schema.Account{{Name: "shop", Probes: []schema.Probe{c.probe}}}
			j.dir = t.TempDir()
			if !c.unbacked {
				script := "#!/bin/sh\necho \"$STOPOVER_SERVER $STOPOVER_ACCOUNT $1\"\n"
				if err := os.WriteFile(filepath.Join(j.dir, "own"), []byte(script), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, set := range []struct {
				on  *machine
				how func(*machine)
			}{{j.w.source, c.before}, {j.w.transit, c.after}} {
				if set.how != nil {
					set.how(set.on)
				}
			}
			res, err := j.once(context.Background())
			if c.unmoved {
				if ExitCode(err) != ExitError || !strings.Contains(state1(res, "shop").Why, c.why) {
					t.Errorf("%v: %s", err, state1(res, "shop").Why)
				}
			} else {
				arrivedProbe(t, j, err, c.ok, c.why)
			}
			all := fmt.Sprintf("%+v %+v %+v %v", res, j.events, m.events, err)
			for _, f := range append(j.w.source.facts, j.w.transit.facts...) {
				all += string(f.Value)
			}
			if strings.Contains(all, boxPassword) {
				t.Error("the password is told")
			}
		})
	}
}

func arrivedProbe(t *testing.T, j *trip, err error, ok bool, why string) {
	t.Helper()
	if ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	var v plan.ProbedFact
	var results []ProbeResult
	f, there := j.fact(plan.ProbedID("shop", 1))
	if !there || json.Unmarshal(f.Value, &v) != nil || v.OK != ok || json.Unmarshal(v.Probes, &results) != nil || len(results) != 1 || !strings.Contains(results[0].Why, why) {
		t.Errorf("%s", f.Value)
	}
}
