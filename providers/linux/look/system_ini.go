//go:build linux

package look

import (
	"strings"
)

// entry is one setting of a file of the family of .ini files.
type entry struct {
	section, key, value string
	line                int
}

// parseIni reads php.ini, PHP-FPM's pools, systemd's units, supervisor's and
// certbot's files: [section], key = value, comments after ; and #. A line that is
// continued by a backslash belongs to the one before.
func parseIni(text []byte) (list []entry) {
	section, begun := "", -1 // index of the entry that is continued
	lines(text, func(n int, line string) bool {
		trimmed := strings.TrimSpace(line)
		if begun >= 0 {
			if trimmed != "" && (trimmed[0] == '#' || trimmed[0] == ';') {
				return true // systemd allows comments between the parts
			}
			part, more := strings.CutSuffix(trimmed, `\`)
			if len(list[begun].value)+len(part) < maxLineSize {
				list[begun].value = strings.TrimSpace(list[begun].value + " " + strings.TrimSpace(part))
			}
			if !more {
				begun = -1
			}
			return true
		}
		switch {
		case trimmed == "" || trimmed[0] == ';' || trimmed[0] == '#':
		case trimmed[0] == '[':
			if end := strings.IndexByte(trimmed, ']'); end > 0 {
				section = trimmed[1:end]
			}
		default:
			k, v, ok := strings.Cut(trimmed, "=")
			if !ok {
				return true
			}
			v, more := strings.CutSuffix(strings.TrimSpace(v), `\`)
			list = append(list, entry{section, strings.TrimSpace(k), iniValue(v), n})
			if more {
				begun = len(list) - 1
			}
		}
		return len(list) < 50_000
	})
	return list
}

// iniValue takes quotes and a comment behind the value away.
func iniValue(v string) string {
	v = strings.TrimSpace(v)
	if len(v) > 1 && (v[0] == '"' || v[0] == '\'') {
		if end := strings.IndexByte(v[1:], v[0]); end >= 0 && (end+2 == len(v) || strings.HasPrefix(strings.TrimSpace(v[end+2:]), ";")) {
			return v[1 : end+1]
		}
		return v
	}
	if i := strings.Index(v, " ;"); i >= 0 {
		v = v[:i]
	}
	return strings.TrimSpace(v)
}
