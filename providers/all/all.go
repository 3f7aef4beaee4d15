// Package all is the list of providers, one line each.
package all

import (
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux"
	"github.com/stopover/stopover/providers/local"
)

// Kinds returns every kind of server that this program can speak to. The first
// is that of servers that name none.
func Kinds() []providers.Kind {
	return []providers.Kind{
		local.Kind(),
		linux.Kind(),
	}
}
