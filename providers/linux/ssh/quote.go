package ssh

import (
	"fmt"
	"strings"
)

// maxScript bounds a command in bytes: Linux takes 128 KiB in one argument, and
// packets of SSH have room for 256 KiB.
const maxScript = 120 << 10

// quote makes one word of a POSIX shell from any bytes but NUL.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// words makes a POSIX shell's command of argv, whose first word is a program.
func words(argv []string) (string, error) {
	if len(argv) == 0 || argv[0] == "" || argv[0][0] == '-' {
		return "", fmt.Errorf("run %q: no program is named", argv)
	}
	var s strings.Builder
	for i, a := range argv {
		if strings.ContainsRune(a, 0) {
			return "", fmt.Errorf("run %q: argument %d holds a zero byte", argv[0], i)
		}
		if i > 0 {
			s.WriteByte(' ')
		}
		s.WriteString(quote(a))
	}
	return s.String(), nil
}

// wrap makes, of a script for a POSIX shell, a command line that every login
// shell reads alike. SSH hands one string to the user's shell, which may be
// bash, dash, zsh, fish, tcsh or a restricted one; they differ in what quotes,
// backslashes, exclamation marks and line ends mean. So the script travels with
// all but harmless bytes as octal escapes, within single quotes where a
// backslash before a digit stands for itself in all of them, and no path is
// named, which restricted shells refuse.
func wrap(script string) (string, error) {
	var s strings.Builder
	s.WriteString(`sh -c 'eval "$(printf %b "`)
	for i := range len(script) {
		if b := script[i]; harmless(b) {
			s.WriteByte(b)
		} else {
			fmt.Fprintf(&s, `\0%03o`, b)
		}
	}
	s.WriteString(`")"'`)
	if s.Len() > maxScript {
		return "", fmt.Errorf("the command is %d bytes long, and %d fit", s.Len(), maxScript)
	}
	return s.String(), nil
}

func harmless(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte(" /_.,:=+@", b) >= 0
}
