package notice

import (
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
			if p := &s.config.Migration.Patterns[i]; p.Picks(name) {
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
