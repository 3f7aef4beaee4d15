//go:build linux

package accounts_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/linux/testbed"
	"github.com/stopover/stopover/providers/linux/testbed/accounts"
)

func TestMain(m *testing.M) {
	testbed.Main()
	os.Exit(m.Run())
}

// TestInstall: the sample accounts do what real ones do.
func TestInstall(t *testing.T) {
	bed := testbed.New(t, testbed.Options{Hosts: []testbed.HostOptions{{Name: "client", Release: "bookworm", Services: testbed.AllServices()}}})
	h := bed.Host("client")
	truth, err := accounts.Install(t.Context(), h, accounts.Options{Address: h.Address().String(), Name: h.Name, Messages: 200})
	if err != nil {
		t.Fatal(err)
	}
	if len(truth.Accounts) != 6 {
		t.Errorf("%d accounts", len(truth.Accounts))
	}
	for _, c := range []struct{ argv, want string }{
		{"curl -sf -H Host:shop.example.org http://127.0.0.1/index.php", "500 orders"},
		{"curl -sf -H Host:blog.example.org http://127.0.0.1:8080/index.php", "300 posts"},
		{"curl -sf -H Host:ledger.example.org http://127.0.0.1/", "800 entries"},
		{"curl -sf -H Host:static.example.org http://127.0.0.1/hard.html", ""},
		{"curl -sf imap://127.0.0.1/INBOX -u ann@mailco.example:letters -X STATUS_INBOX_(MESSAGES)", "MESSAGES 180"},
		{"doveadm mailbox status -u bob@mailco.example messages INBOX", "messages=9"},
		{"crontab -l -u shop", "*/5 * * * *"},
	} {
		argv := strings.Fields(c.argv)
		for i := range argv {
			argv[i] = strings.ReplaceAll(argv[i], "STATUS_INBOX_", "STATUS INBOX ")
		}
		out, err := h.Run(t.Context(), argv...)
		if err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s\nwant %q", c.argv, err, out, c.want)
		}
	}
}
