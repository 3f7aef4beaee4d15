//go:build linux

package look

import (
	"regexp"
	"strings"
)

// secretIsSet stands where a value is secret.
const secretIsSet = "(set)"

// secretKey says whether the name of a setting is that of a secret. The list is
// generous: a comparison of two servers misses little by it.
func secretKey(key string) bool {
	key = strings.ToLower(key)
	for _, part := range []string{"passw", "passwd", "secret", "token", "credential", "apikey", "api_key", "private", "passphrase", "_pass", "pass_", "-pass", "dsn", "auth_user_pass"} {
		if strings.Contains(key, part) {
			return true
		}
	}
	last := key[strings.LastIndexAny(key, "/.[:")+1:]
	last = strings.TrimSuffix(last, "]")
	return strings.HasSuffix(last, "pass") && !strings.HasSuffix(last, "bypass") || last == "key" || last == "pw" || last == "pwd" || strings.HasSuffix(last, "_key") && !strings.HasSuffix(last, "public_key")
}

// shown is a value as it may be told: a secret only says that it is set.
func shown(key, value string) string {
	if value == "" {
		return value
	}
	if secretKey(key) && !harmless(value) {
		return secretIsSet
	}
	return masked(value)
}

// harmless says whether a value is a switch, a number or a path: "PasswordAuthentication
// no" is no secret, and neither is where a key lies.
func harmless(v string) bool {
	switch strings.ToLower(v) {
	case "yes", "no", "on", "off", "true", "false", "none", "0", "1", "prohibit-password", "without-password", "forced-commands-only":
		return true
	}
	return strings.HasPrefix(v, "/") && !strings.ContainsAny(v, " \t") || strings.HasPrefix(v, "</")
}

var (
	inURL     = regexp.MustCompile(`(://[^/\s:@"']*):[^/\s@"']+@`)
	inOption  = regexp.MustCompile(`(?i)((?:^|[\s"'])--?[a-z-]*(?:pass|password|passwd|secret|token|api-?key)[a-z-]*[=\s])\s*[^\s"';|&]+`)
	inSetting = regexp.MustCompile(`(?i)(\b[a-z0-9_]*(?:pass|password|passwd|secret|token|api_?key)[a-z0-9_]*=)[^\s"';|&]+`)
	inMySQL   = regexp.MustCompile(`(?i)(\b(?:mysql|mariadb|mysqldump|mariadb-dump|mysqladmin)\b[^|;&]*?\s-p)[^\s"';|&]+`)
	inCurl    = regexp.MustCompile(`(?i)(\b(?:curl|wget)\b[^|;&]*?\s-u\s*[^\s:]+:)[^\s"';|&]+`)
	inHeader  = regexp.MustCompile(`(?i)((?:authorization|bearer|x-api-key|x-auth-token)[:\s]+(?:basic\s+|bearer\s+)?)[^\s"';|&]{6,}`)
)

// masked takes the secrets that stand in commands and addresses away, as far as
// they can be recognised.
func masked(s string) string {
	if len(s) > maxLineSize {
		s = s[:maxLineSize]
	}
	s = inURL.ReplaceAllString(s, "$1:"+secretIsSet+"@")
	s = inOption.ReplaceAllString(s, "${1}"+secretIsSet)
	s = inSetting.ReplaceAllString(s, "${1}"+secretIsSet)
	s = inMySQL.ReplaceAllString(s, "${1}"+secretIsSet)
	s = inCurl.ReplaceAllString(s, "${1}"+secretIsSet)
	return inHeader.ReplaceAllString(s, "${1}"+secretIsSet)
}
