package plan

import (
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

func TestReplacement(t *testing.T) {
	for _, c := range []struct {
		name, version string
		offered       []string
		as            string
		forced        bool
	}{
		{"php", "8.3.1", []string{"8.2", "8.3"}, "8.3", false},
		{"php", "8.31", []string{"8.3"}, "", true},
		{"php", "7.4.3", []string{"7.4.1", "7.4.33", "7.4.9", "8.0"}, "7.4.9", true},
		{"php", "7.4.40", []string{"7.4.1", "7.4.33", "8.0"}, "7.4.33", true},
		{"php", "7.4", []string{"8.2", "8.3"}, "", true},
		{"python", "3.7.0", []string{"3.8.1"}, "", true},
		{"nodejs", "9", []string{"8", "12", "10"}, "10", true},
		{"NodeJS", "12.0.1", []string{"12.14", "14"}, "12.14", true},
		{"node", "21", []string{"18", "20"}, "", true},
		{"java", "14", []string{"11", "17", "21"}, "17", true},
		{"dotnet", "5", []string{"6", "8"}, "6", true},
		{"dotnet", "", []string{"6"}, "6", true},
		{"x", "", nil, "", true},
	} {
		as, forced := replacement(c.name, c.version, c.offered)
		if as != c.as || as != "" && forced != c.forced {
			t.Errorf("%s %q of %v arrives as %q, forced %v; want %q, %v", c.name, c.version, c.offered, as, forced, c.as, c.forced)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	for _, c := range []struct {
		x, y string
		sign int
	}{
		{"10.4", "10.11", -1}, {"10.11", "10.4", 1}, {"8.3", "8.3", 0}, {"8.3", "8.3.1", -1}, {"16", "9.6", 1},
		{"99999999999999999999", "2", 1}, {"1.a", "1.b", -1}, {"", "1", -1},
	} {
		got := compareVersions(c.x, c.y)
		if got < 0 && c.sign >= 0 || got > 0 && c.sign <= 0 || got == 0 && c.sign != 0 {
			t.Errorf("%q and %q: %d", c.x, c.y, got)
		}
	}
	for _, c := range [][3]string{
		{"mariadb", "10.4.12", "10.4"}, {"mariadb", "11", "11"}, {"postgresql", "16.2", "16"}, {"PostgreSQL", "9.6.1", "9.6"}, {"sqlite", "3.45.1", "3"}, {"mysql", "8.0.36", "8.0"},
	} {
		if got := majorOf(c[0], c[1]); got != c[2] {
			t.Errorf("major of %s %s is %s", c[0], c[1], got)
		}
	}
}

func TestRhythm(t *testing.T) {
	for _, c := range []struct {
		schedule string
		longest  time.Duration // the shortest stretch that always meets a firing; 0: none does
	}{
		{"* * * * *", time.Minute},
		{"*/5 * * * *", 5 * time.Minute},
		{"0 3 * * *", 24 * time.Hour},
		{"*/5 8-18 * * *", 13*time.Hour + 5*time.Minute}, // a cut in the night meets none
		{"* * * * 1-5", 48*time.Hour + time.Minute},
		{"* * * * 0,6", 5*24*time.Hour + time.Minute},
		{"@every 10s", 10 * time.Second},
		{"@hourly", time.Hour},
		{"@reboot", 0},
		{"0 0 31 2 *", 0}, // never
		{"", 0},
		{"\xff\x00", 0},
	} {
		r := newRhythm(c.schedule)
		if c.longest > 0 && r.meets(c.longest-time.Second) {
			t.Errorf("%q meets %s", c.schedule, c.longest-time.Second)
		}
		if got := r.meets(max(c.longest, time.Second)); got != (c.longest > 0) {
			t.Errorf("%q meets %s: %v", c.schedule, c.longest, got)
		}
	}
}

func TestAddressWithin(t *testing.T) {
	for _, c := range []struct {
		network, address string
		want             bool
	}{
		{"192.0.2.0/24", "192.0.2.10", true}, {"192.0.2.10", "192.0.2.10", true}, {"192.0.2.10", "::ffff:192.0.2.10", true},
		{"192.0.3.0/24", "192.0.2.10", false}, {"2001:db8::/32", "2001:db8::1", true}, {"x", "192.0.2.10", false}, {"192.0.2.0/99", "192.0.2.10", false}, {"192.0.2.0/24", "x", false},
	} {
		if got := inNetwork(c.network, c.address); got != c.want {
			t.Errorf("%s in %s: %v", c.address, c.network, got)
		}
	}
}

func TestTries(t *testing.T) {
	facts := []schema.Fact{{ID: TrialID("shop", "x", 2)}, {ID: TrialID("shop", "x", 10)}, {ID: TrialID("shop", "y", 11)}, {ID: TrialID("shop2", "x", 12)}, {ID: "trial/shop/x/z"}}
	if n := Tries(facts, "shop", "x"); n != 10 {
		t.Errorf("%d tries", n)
	}
	if n := Tries(facts, "new", "x"); n != 0 {
		t.Errorf("%d tries of an account that had none", n)
	}
}
