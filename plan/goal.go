package plan

import "github.com/stopover/stopover/schema"

// Indexes of the phases, so that they compare.
const (
	iPrepare = iota
	iRequest
	iInstall
	iMigrate
	iVerify
	iReinstall
	iRelocate
	iFinish
	iNever // after all phases: nothing stops here
)

// phaseIndex is a phase's place in the journey; iNever for a name that is none.
func phaseIndex(name string) int {
	for i, p := range schema.Phases() {
		if p == name {
			return i
		}
	}
	return iNever
}

// picks says whether one of the patterns names the account: as it is, or as a
// glob over its escaped name, where * stands for any run and ? for one byte.
func picks(patterns []string, name, escaped string) bool {
	for _, p := range patterns {
		if p == name || Glob(p, escaped) {
			return true
		}
	}
	return false
}

// Glob says whether an escaped name matches a pattern: * stands for any run of
// characters, ? for one. No escaped name holds either, so that nothing has to
// be quoted. It takes time proportional to the product of the lengths at worst.
func Glob(pattern, s string) bool {
	star, back := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			back++
			p, i = star+1, back
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
