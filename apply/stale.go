package apply

import "github.com/stopover/stopover/plan"

// Check compares a saved plan with one that was computed just now from the same
// configuration. What changed since makes a *RefusedError that names it;
// ordinary growth does not.
func Check(saved, fresh *plan.Plan) error {
	if details := plan.Stale(saved, fresh); len(details) > 0 {
		return &RefusedError{Reason: "the saved plan does not fit any more; plan again", Details: details}
	}
	return nil
}
