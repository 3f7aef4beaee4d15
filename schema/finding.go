package schema

// Severity of a finding.
const (
	Blocker = "blocker"
	Warning = "warning"
	Info    = "info"
)

// Finding is the result of a check.
type Finding struct {
	Code      string `json:"code"`
	Severity  string `json:"severity"`
	Account   string `json:"account,omitempty"`
	Server    string `json:"server,omitempty"`
	Object    string `json:"object,omitempty"`
	Summary   string `json:"summary"`
	Remedy    string `json:"remedy,omitempty"`
	Source    string `json:"source,omitempty"`    // where the rule comes from
	Certainty string `json:"certainty,omitempty"` // documented | observed | inferred
	// Evidence is what was seen, for people: "home/www/config.php:12: 192.0.2.10".
	Evidence []string `json:"evidence,omitempty"`
	// Waived is set where a waiver lets the finding pass: it stops nothing then.
	Waived *Waived `json:"waived,omitempty"`
}

// Blocks says whether the finding stops what it is about.
func (f *Finding) Blocks() bool { return f.Severity == Blocker && f.Waived == nil }

// Waived is the waiver that lets a finding pass.
type Waived struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
	Until  string `json:"until"` // day, 2006-01-02
}

// Diagnostic tells the author of a configuration what to change in it.
type Diagnostic struct {
	Severity string `json:"severity"` // error | warning
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"` // what is wrong and what to do
	Address  string `json:"address,omitempty"`
	Pos      Pos    `json:"range"`
	Snippet  string `json:"snippet,omitempty"`
}

// Diagnostics is a list of them; it is in the order they were found.
type Diagnostics []Diagnostic

// HasErrors says whether one of them is an error.
func (d Diagnostics) HasErrors() bool {
	for _, x := range d {
		if x.Severity == "error" {
			return true
		}
	}
	return false
}
