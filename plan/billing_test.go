package plan

import (
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// priced is what a price text means to a process.
func priced(text, divisor string) (price, string) {
	b := &builder{proc: &schema.Process{Free: schema.Free{Divisor: divisor}}, s: &place{name: "client", conf: &schema.Server{Price: text}}}
	return b.price()
}

func TestPriceOfDays(t *testing.T) {
	february := time.Date(2027, 2, 20, 10, 0, 0, 0, time.UTC)
	leap := time.Date(2028, 2, 20, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text, divisor string
		from          time.Time
		days          int
		day, total    int64
	}{
		{"389 EUR/month", "30", february, 1, 1297, 1297},
		{"389 EUR/month", "30", february, 2, 1297, 2593}, // the whole is rounded, not each day
		{"389 EUR/month", "30", february, 30, 1297, 38900},
		{"389 EUR/month", "month", february, 28, 1389, 24*0 + 12504 + 23842}, // nine days of February, nineteen of March
		{"389 EUR/month", "month", leap, 1, 1341, 1341},
		{"389 EUR/month", "365", february, 365, 1279, 466800},
		{"4189 EUR/year", "365", february, 365, 1148, 418900},
		{"4189 EUR/year", "30", february, 360, 1164, 418900},
		{"4200 EUR/year", "month", february, 28, 1250, 11250 + 21452},
		{"12.97 EUR/day", "30", february, 3, 1297, 3891},
		{"12.97 EUR/day", "", february, 3, 1297, 3891},
		{"0.005 EUR/day", "30", february, 1, 1, 1}, // halves up
		{"0.0049 EUR/day", "30", february, 1, 0, 0},
		{"0.1 USD/day", "30", february, 3, 10, 30},
		{"999999999999999 EUR/day", "30", february, 1, 99999999999999900, 99999999999999900},
		{"999999999999999 EUR/day", "30", february, 1000, 99999999999999900, 1<<63 - 1},
	} {
		p, why := priced(c.text, c.divisor)
		if why != "" {
			t.Errorf("%s: %s", c.text, why)
			continue
		}
		if day, total := p.day(c.from), hundredths(p.days(c.from, c.days)); day != c.day || total != c.total {
			t.Errorf("%s by %q: %d a day, %d for %d days, want %d and %d", c.text, c.divisor, day, total, c.days, c.day, c.total)
		}
	}
}

func TestPriceRefused(t *testing.T) {
	for _, c := range []struct{ text, divisor, why string }{
		{"", "30", "server client has no price"},
		{"389", "30", "the price of server client cannot be read: write it as 389 EUR/month"},
		{"389 EUR", "30", "the price of server client cannot be read: write it as 389 EUR/month"},
		{"389,50 EUR/month", "30", "the price of server client cannot be read: write it as 389 EUR/month"},
		{"-389 EUR/month", "30", "the price of server client cannot be read: write it as 389 EUR/month"},
		{"1e9 EUR/month", "30", "the price of server client cannot be read: write it as 389 EUR/month"},
		{"389 eur/month", "30", "the price of server client cannot be read: write it as 389 EUR/month"},
		{"389 EUR/week", "30", "the price of server client cannot be read: write it as 389 EUR/month"},
		{"389 EUR/month\n", "30", "the price of server client cannot be read: write it as 389 EUR/month"},
		{"389 EUR/month", "", "the process does not say what a day's price is made of"},
		{"389 EUR/month", "31", `the process divides the price by "31", which is not known`},
	} {
		p, why := priced(c.text, c.divisor)
		if why != c.why {
			t.Errorf("%q by %q: %q", c.text, c.divisor, why)
		}
		if p.day(time.Time{}) != 0 || hundredths(p.days(time.Time{}, 3)) != 0 {
			t.Errorf("%q by %q costs something", c.text, c.divisor)
		}
	}
}

func TestDaysBegun(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 10, 24, 9, 30, 0, 0, paris)
	for _, c := range []struct {
		to   time.Time
		want int
	}{
		{from.Add(-time.Hour), 0}, {from, 0}, {from.Add(time.Second), 1}, {from.Add(24 * time.Hour), 1},
		{from.Add(25 * time.Hour), 1}, // the day on which the clock goes back has 25 hours
		{from.Add(25*time.Hour + time.Second), 2},
		{time.Date(2026, 11, 7, 9, 30, 0, 0, paris), 14}, {time.Date(2026, 11, 7, 9, 30, 0, 1, paris), 15},
		{time.Date(2036, 10, 24, 9, 30, 0, 0, paris), 3653},
	} {
		if got := daysBegun(from, c.to); got != c.want {
			t.Errorf("until %s: %d, want %d", c.to, got, c.want)
		}
	}
}

func TestMoney(t *testing.T) {
	for n, want := range map[int64]string{0: "0.00 EUR", 5: "0.05 EUR", 2593: "25.93 EUR", 100: "1.00 EUR"} {
		if got := money(n, "EUR"); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
