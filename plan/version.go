package plan

import (
	"strconv"
	"strings"
)

// compareVersions compares number by number: 10.11 is newer than 10.4, and 8.3.1
// newer than 8.3. What is no number counts as text.
func compareVersions(x, y string) int {
	a, b := strings.Split(x, "."), strings.Split(y, ".")
	for i := 0; i < len(a) && i < len(b); i++ {
		m, err1 := strconv.ParseUint(a[i], 10, 64)
		n, err2 := strconv.ParseUint(b[i], 10, 64)
		switch {
		case err1 != nil || err2 != nil:
			if c := strings.Compare(a[i], b[i]); c != 0 {
				return c
			}
		case m < n:
			return -1
		case m > n:
			return 1
		}
	}
	return len(a) - len(b)
}

// majorOf is the part of an engine's version that a major release changes:
// PostgreSQL's and SQLite's first number (before PostgreSQL 10 the first two),
// the first two of MariaDB, MySQL and all others.
func majorOf(engine, version string) string {
	parts := strings.SplitN(version, ".", 3)
	n := min(2, len(parts))
	switch strings.ToLower(engine) {
	case "sqlite":
		n = 1
	case "postgresql", "postgres":
		if major, err := strconv.ParseUint(parts[0], 10, 64); err == nil && major >= 10 {
			n = 1
		}
	}
	return strings.Join(parts[:n], ".")
}

// lineOf is a version without its last number; empty if it has only one.
func lineOf(version string) string {
	i := strings.LastIndexByte(version, '.')
	if i < 0 {
		return ""
	}
	return version[:i]
}

// nextMajor are the runtimes whose dropped lines the hosting company replaces by
// the next one that it keeps: odd lines of Node.js, Java 14, .NET 5. Never
// written to.
var nextMajor = map[string]bool{"node": true, "nodejs": true, "java": true, "dotnet": true}

// replacement is the version that a version becomes where it is not offered:
// the line that it is part of, the nearest one kept of its line, or, for some
// runtimes, the next line. Empty: no rule replaces it. forced says that it is
// more than the line's name for it.
func replacement(name, version string, offered []string) (as string, forced bool) {
	for _, v := range offered {
		if strings.HasPrefix(version, v+".") && len(v) > len(as) {
			as = v
		}
	}
	if as != "" {
		return as, false
	}
	if line := lineOf(version); strings.Contains(line, ".") { // a single version of a line, such as 7.4.3
		if as = nearestOf(version, offered, func(v string) bool { return lineOf(v) == line }); as != "" {
			return as, true
		}
	}
	if nextMajor[strings.ToLower(name)] {
		for _, v := range offered {
			if compareVersions(v, version) > 0 && (as == "" || compareVersions(v, as) < 0) {
				as = v
			}
		}
	}
	return as, true
}

// nearestOf is the oldest of the offered versions that is newer, or the newest
// that is older; empty if none is of the line.
func nearestOf(version string, offered []string, inLine func(string) bool) string {
	newer, older := "", ""
	for _, v := range offered {
		switch {
		case !inLine(v):
		case compareVersions(v, version) > 0:
			if newer == "" || compareVersions(v, newer) < 0 {
				newer = v
			}
		case older == "" || compareVersions(v, older) > 0:
			older = v
		}
	}
	if newer != "" {
		return newer
	}
	return older
}
