package setup

import (
	"fmt"
	"path/filepath"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/schema"
)

// StateDir is where the local state store keeps its journal, below the
// configuration.
const StateDir = ".stopover"

// cacheDir is below it: what providers remember, and nobody misses.
const cacheDir = "cache"

func openStore(dir string, cfg *schema.Config) (state.Store, error) {
	switch cfg.State.Kind {
	case "", "local":
		at := StateDir
		if v := cfg.State.Options["path"]; v != "" {
			at = v
		}
		if !filepath.IsAbs(at) {
			at = filepath.Join(dir, at)
		}
		return state.OpenLocal(at, state.Options{}), nil
	case "http":
		return openHTTP(cfg.State)
	}
	return nil, fmt.Errorf("there is no state store %q; this version has \"local\" and \"http\"", cfg.State.Kind)
}
