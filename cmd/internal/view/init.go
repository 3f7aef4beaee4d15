package view

import (
	"github.com/stopover/stopover/schema"
)

// Started is a configuration that was written to begin with.
type Started struct {
	File     string
	Dir      string
	Found    *schema.FoundServer // nil: no server was looked at
	Accounts string
	Valid    bool
}

// Started says what was written and what to do next.
func (v *View) Started(s Started) {
	if v.json {
		out := map[string]any{"format_version": "1.0", "file": s.File, "valid": s.Valid}
		if s.Found != nil {
			out["accounts"] = len(s.Found.Accounts)
		}
		v.document(out)
		return
	}
	v.line("Wrote %s.", clean(s.File))
	if s.Found != nil {
		v.line("%s found on the server, which runs architecture %s.", plural(len(s.Found.Accounts), "account"), clean(s.Found.Architecture))
	}
	if !s.Valid {
		return
	}
	at := ""
	if s.Dir != "." {
		at = " -C " + schema.QuoteName(s.Dir)
	}
	v.line("\nRead it through and change what is not so. Then:")
	v.line("    stopover%s validate\n    stopover%s check\n    stopover%s plan", at, at, at)
}
