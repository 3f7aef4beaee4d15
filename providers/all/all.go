// Package all is the list of providers, one line each.
package all

import (
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/local"
)

// Kinds returns every kind of server that this program can speak to.
func Kinds() []providers.Kind {
	return []providers.Kind{
		local.Kind(),
	}
}
