package setup

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/schema"
)

// openHTTP opens the state store of kind "http" with the options of the
// configuration, which hclfile checked and wrote in one way.
func openHTTP(s schema.StateStore) (state.Store, error) {
	o := state.HTTPOptions{
		Address:      s.Options["address"],
		RunAddress:   s.Options["run_address"],
		Username:     s.Options["username"],
		LockMethod:   s.Options["lock_method"],
		UnlockMethod: s.Options["unlock_method"],
		SkipVerify:   s.Options["skip_cert_verification"] == "true",
	}
	if ref := s.Options["password"]; ref != "" {
		name := strings.TrimPrefix(ref, "env:")
		password, ok := os.LookupEnv(name)
		if !ok || password == "" {
			return nil, fmt.Errorf("state store: its password is in the variable %s of the environment, which is not set", name)
		}
		o.Password = password
	}
	if v := s.Options["retry_max"]; v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			return nil, fmt.Errorf("state store: retry_max: %w", err)
		}
		if o.Retries = n; n == 0 {
			o.Retries = -1 // none; 0 is the default
		}
	}
	if v := s.Options["retry_wait_min"]; v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			return nil, fmt.Errorf("state store: retry_wait_min: %w", err)
		}
		o.RetryWait = d
	}
	return state.OpenHTTP(o)
}
