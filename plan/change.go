package plan

import "time"

// rate is how fast an account changes, by what two surveys or more have seen. It
// is a lower bound: what was written over or deleted and written again does not
// show in sizes.
type rate struct {
	bytes     float64 // a second
	databases float64 // a second, of bytes
}

// changeRates are the median rates between one survey and the next that saw the
// same account. Surveys less than a minute apart say more about the survey than
// about the account.
func changeRates(surveys []Measured) map[string]rate {
	const apart = time.Minute
	type seen struct {
		at   time.Time
		size Size
	}
	last := map[string]seen{}
	bytes, databases := map[string][]weighted{}, map[string][]weighted{}
	for _, m := range surveys {
		for name, size := range m.Accounts {
			before, ok := last[name]
			if !ok {
				last[name] = seen{m.At, size}
				continue
			}
			gone := m.At.Sub(before.at)
			if gone < apart {
				continue
			}
			last[name] = seen{m.At, size}
			bytes[name] = append(bytes[name], weighted{grown(before.size.Bytes, size.Bytes, gone), 1})
			databases[name] = append(databases[name], weighted{grown(before.size.Databases, size.Databases, gone), 1})
		}
	}
	out := make(map[string]rate, len(bytes))
	for name := range bytes {
		out[name] = rate{middle(bytes[name]), middle(databases[name])}
	}
	return out
}

// grown is by how many bytes a second something changed, in either direction.
func grown(from, to int64, gone time.Duration) float64 {
	return float64(max(to-from, from-to)) / gone.Seconds()
}
