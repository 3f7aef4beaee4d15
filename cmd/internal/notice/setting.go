package notice

import (
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// settings finds what the configuration says of an account: its own block, or
// the first pattern that matches. Ten thousand accounts may ask.
type settings struct {
	config   *schema.Config
	named    map[string]*schema.Account
	language string
}

func newSettings(c *schema.Config, language string) settings {
	if language == "" {
		language = "en"
	}
	s := settings{config: c, named: map[string]*schema.Account{}, language: language}
	for i := range c.Migration.Accounts {
		s.named[c.Migration.Accounts[i].Name] = &c.Migration.Accounts[i]
	}
	return s
}

func (s *settings) of(name string) schema.Account {
	out := schema.Account{Name: name}
	if a := s.named[name]; a != nil {
		out = *a
	} else {
		for i := range s.config.Migration.Patterns {
			if p := &s.config.Migration.Patterns[i]; picks(p.Include, name) && !picks(p.Exclude, name) {
				out.Language = p.Language
				break
			}
		}
	}
	if out.Language == "" {
		out.Language = s.language
	}
	return out
}

func picks(patterns []string, name string) bool {
	escaped, err := schema.EscapeName(name)
	for _, p := range patterns {
		if p == name || err == nil && plan.Glob(p, escaped) {
			return true
		}
		if g, err := schema.ParseGlob(p); err == nil && g.Match(name) {
			return true
		}
	}
	return false
}
