package view

import "github.com/stopover/stopover/apply/state"

// UnlockedDocument is what unlock gives to programs.
type UnlockedDocument struct {
	FormatVersion string        `json:"format_version"`
	Unlocked      bool          `json:"unlocked"`         // false: nobody held it
	Holder        *state.Holder `json:"holder,omitempty"` // whose lock it was
}

// Unlocked says whose lock was removed; nil: there was none.
func (v *View) Unlocked(was *state.Holder) {
	if v.give(UnlockedDocument{FormatVersion, was != nil, was}) {
		return
	}
	if was == nil {
		v.item("", "", nil, "Nobody holds the lock: there is nothing to unlock.", nil)
		return
	}
	v.item("", "unlocked", v.style.green, "it was held by "+clean(was.String())+".", nil)
	v.item("", "", nil, "Run plan to see what is left; apply goes on from there.", nil)
}
