//go:build linux

package look

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stopover/stopover/schema"
)

func dbs(of ...string) []foundDatabase { // "name user user"
	var out []foundDatabase
	for _, d := range of {
		f := strings.Fields(d)
		out = append(out, foundDatabase{found: schema.Database{Name: f[0]}, users: f[1:]})
	}
	return out
}

func TestBelong(t *testing.T) {
	globs := []string{accountWord, accountWord + "_*"}
	accounts := []string{"shop", "shop_de", "blog", "a*b"}
	b := belong(globs, globs, accounts,
		dbs("shop", "shop_wp", "shop_de_wp", "shopping", "wp1 wpuser", "wp2 wpuser blog_x", "wp3 shop_x", "stats shop_x admin", "lone", "a*b_1", "aXb_1", "blog_1 only_blog", "mixed_a only_blog"),
		[]string{"shop", "shop_x", "blog_x", "shop_de", "wpuser", "only_blog", "admin"})
	for name, want := range map[string]string{
		"shop": "shop", "shop_wp": "shop", "shop_de_wp": "shop_de", "shopping": "", "lone": "", "a*b_1": "a*b", "aXb_1": "",
		"wp3": "shop", "stats": "", "wp1": "", "wp2": "", "blog_1": "blog",
	} {
		if b.databases[name] != want {
			t.Errorf("database %s belongs to %q, want %q", name, b.databases[name], want)
		}
	}
	for name, want := range map[string]string{"shop": "shop", "shop_x": "shop", "blog_x": "blog", "shop_de": "shop_de", "admin": "", "wpuser": "", "only_blog": ""} {
		if b.users[name] != want {
			t.Errorf("user %s belongs to %q, want %q", name, b.users[name], want)
		}
	}
	// A user with rights on one account's databases alone is that account's, and
	// brings a database along that nobody else has rights on.
	b = belong(globs, globs, accounts, dbs("shop_1 web", "blog_1 both", "shop_2 both"), []string{"web", "both"})
	if b.users["web"] != "shop" || b.users["both"] != "" {
		t.Errorf("users %v", b.users)
	}
	if b = belong([]string{"app_" + accountWord, "*-" + accountWord + "-*", "plain"}, nil, accounts, dbs("app_shop", "x-blog-y", "plain", "app_none"), nil); b.databases["app_shop"] != "shop" ||
		b.databases["x-blog-y"] != "blog" || len(b.databases) != 2 {
		t.Errorf("databases %v", b.databases)
	}
}

// Whatever the names: the longest account that fits has it, in any order, and
// who has a database is an account that is there.
func TestBelongLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[ab_*\[\\]{1,4}`)
		accounts := rapid.SliceOfNDistinct(name, 1, 6, rapid.ID).Draw(t, "accounts")
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab_*\[\\]{1,8}`), 1, 8, rapid.ID).Draw(t, "names")
		users := rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(t, "users")
		var found []foundDatabase
		for _, n := range names {
			d := foundDatabase{found: schema.Database{Name: n}}
			for _, u := range users {
				if rapid.Bool().Draw(t, "right") {
					d.users = append(d.users, u)
				}
			}
			found = append(found, d)
		}
		globs := []string{accountWord, accountWord + "_*"}
		b := belong(globs, globs, accounts, found, users)
		for _, n := range names {
			want := ""
			for _, a := range accounts { // the rule, account by account
				if (n == a || strings.HasPrefix(n, a+"_")) && len(a) > len(want) {
					want = a
				}
			}
			if got := b.databases[n]; want != "" && got != want || got != "" && !slices.Contains(accounts, got) {
				t.Fatalf("%q belongs to %q, want %q", n, got, want)
			}
		}
		slices.Reverse(accounts)
		slices.Reverse(found)
		slices.Reverse(users)
		again := belong(globs, globs, accounts, found, users)
		for _, n := range names {
			if b.databases[n] != again.databases[n] {
				t.Fatalf("%q belongs to %q or %q, by order", n, b.databases[n], again.databases[n])
			}
		}
	})
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{`shop\_%`, "shop_wp", true}, {`shop\_%`, "shopXwp", false}, {"shop_wp", "shopXwp", true}, {"%a%b%", "xxaxxbxx", true},
		{"%a%b%", "xxbxxaxx", false}, {"", "", true}, {"", "a", false}, {"%", "", true}, {`a\%`, "a%", true}, {`a\%`, "ab", false},
		{strings.Repeat("%a", 60), strings.Repeat("a", 5000) + "b", false},
	} {
		if like(c.pattern, c.name) != c.want {
			t.Errorf("%q LIKE %q: %v", c.name, c.pattern, !c.want)
		}
	}
}

func TestWithoutSecrets(t *testing.T) {
	for in, want := range map[string]string{
		"GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*0123' REQUIRE SSL WITH MAX_USER_CONNECTIONS 3":                                      "GRANT USAGE ON *.* TO `a`@`%` REQUIRE SSL WITH MAX_USER_CONNECTIONS 3",
		"GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED VIA mysql_native_password USING 'inva''lid' OR unix_socket WITH GRANT OPTION": "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
		"GRANT USAGE ON *.* TO 'a'@'%' IDENTIFIED WITH 'sha256' AS 'x WITH GRANT OPTION y'":                                                         "GRANT USAGE ON *.* TO 'a'@'%'",
		"GRANT SELECT ON `IDENTIFIED BY`.* TO `a ``IDENTIFIED`@`%`":                                                                                 "GRANT SELECT ON `IDENTIFIED BY`.* TO `a ``IDENTIFIED`@`%`",
	} {
		got := withoutSecrets(in)
		if strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("%s\nbecame %s\nwant   %s", in, got, want)
		}
	}
}
