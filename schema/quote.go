package schema

import (
	"strconv"
	"strings"
)

// QuoteName shows a name that came from a server to a person: as it is when it
// is plain, quoted when it holds anything that a terminal or a reader could
// take for something else.
func QuoteName(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/@:+=,%", r))
	})
	if plain {
		return s
	}
	return strconv.Quote(s)
}
