package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/schema"
)

// StateDir is where the local state store keeps its journal, below the
// configuration.
const StateDir = ".stopover"

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
		o, err := httpOptions(cfg.State.Options)
		if err != nil {
			return nil, err
		}
		return state.OpenHTTP(o)
	}
	return nil, fmt.Errorf("there is no state store %q; this version has \"local\" and \"http\"", cfg.State.Kind)
}

func httpOptions(v map[string]string) (o state.HTTPOptions, err error) {
	o = state.HTTPOptions{Address: v["address"], RunAddress: v["run_address"], Username: v["username"],
		LockMethod: v["lock_method"], UnlockMethod: v["unlock_method"], SkipVerify: v["skip_cert_verification"] == "true"}
	if o.Password, err = secret("password of the state store", v["password"]); err != nil {
		return o, err
	}
	if n := v["retry_max"]; n != "" {
		if o.Retries, err = strconv.Atoi(n); err != nil {
			return o, fmt.Errorf("retry_max of the state store: %w", err)
		}
		if o.Retries == 0 {
			o.Retries = -1 // zero means the default there
		}
	}
	if d := v["retry_wait"]; d != "" {
		if o.RetryWait, err = time.ParseDuration(d); err != nil {
			return o, fmt.Errorf("retry_wait of the state store: %w", err)
		}
	}
	return o, nil
}

// secret resolves a reference. Only here, and in providers when they open, does
// a secret have a value.
func secret(what, ref string) (string, error) {
	name, ok := strings.CutPrefix(ref, "env:")
	if !ok {
		return "", nil
	}
	v := os.Getenv(name)
	if v == "" {
		return "", fmt.Errorf("%s: the environment variable %s is not set", what, name)
	}
	return v, nil
}
