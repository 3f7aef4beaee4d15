package view

// StartedDocument is what init gives to programs: a configuration that was
// written to begin with.
type StartedDocument struct {
	FormatVersion string `json:"format_version"`
	File          string `json:"file"`
	Valid         bool   `json:"valid"`
	Surveyed      bool   `json:"surveyed"`               // a server was looked at
	Accounts      int    `json:"accounts"`               // that were found there
	Architecture  string `json:"architecture,omitempty"` // that was found there

	Dir string `json:"-"`
}

// Started says what was written and what to do next.
func (v *View) Started(s StartedDocument) {
	s.FormatVersion = FormatVersion
	if v.give(s) {
		return
	}
	v.item("", "", nil, "Wrote "+clean(s.File)+".", nil)
	if s.Surveyed {
		v.item("", "", nil, "Found "+plural(s.Accounts, "account")+" on the server, which runs architecture "+clean(s.Architecture)+".", nil)
	}
	if !s.Valid {
		return
	}
	at := ""
	if s.Dir != "." {
		at = " -C " + whole(s.Dir)
	}
	v.line("\nRead it through and change what is not so. Then:")
	for _, next := range []string{"validate", "check", "plan"} {
		v.item("    ", "", nil, "stopover"+at+" "+next, nil)
	}
}
