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
	last := key[strings.LastIndexAny(key, "/.[: $")+1:]
	last = strings.TrimSuffix(last, "]")
	ends := func(word string) bool { return strings.HasSuffix(last, word) }
	return ends("pass") && !ends("bypass") || last == "pw" || ends("pwd") || ends("key") && !ends("public_key") && !ends("publickey") ||
		last == "auth" || ends("_auth") || ends("-auth") || ends("authorization") || last == "cookie"
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

// harmless says whether a value is a switch or a path: "PasswordAuthentication
// no" is no secret, and neither is where a key lies. Not all that begins with a
// slash is a path: one base64 text in 64 does.
func harmless(v string) bool {
	switch strings.ToLower(v) {
	case "yes", "no", "on", "off", "true", "false", "none", "0", "1", "prohibit-password", "without-password", "forced-commands-only":
		return true
	}
	return inDirectory.MatchString(v)
}

var inDirectory = regexp.MustCompile(`^<?/(?:etc|home|var|usr|run|root|srv|opt|tmp|proc|dev|mnt|data|lib|bin|sbin)/[^\s"';|&?]+$`)

// Words of command lines. A quote that nothing ends goes on to the end of the
// text, which may have been cut.
const (
	bareWord = `[^\s"';|&]+(?:(?:'[^'\s,;|&]*'|"[^"\s,;|&]*")[^\s"';|&]*)*`
	anyWord  = `(?:\\+"[^"]*(?:"|$)|\$?'[^']*(?:'|$)|"(?:\\.|[^"\\])*(?:"|\\?$)|` + bareWord + `)`
	// secretName is the name of a variable, parameter, header or option.
	secretName = `[a-z0-9_-]*(?:pass|secret|token|credential|api_?key|pwd)[a-z0-9_-]*|[a-z0-9_-]*(?:key|auth)s?(?:[_-][a-z0-9_-]*)?|pw`
)

var (
	inURL      = regexp.MustCompile(`(://[^/\s:@"']*):[^\s"']+@`)
	inURLUser  = regexp.MustCompile(`(://)[A-Za-z0-9_-]{20,}@`)
	inOption   = regexp.MustCompile(`(?is)((?:^|[\s"'(])--?[a-z0-9-]*(?:pass|secret|token|api-?key|access-?key|auth-?key|credential)[a-z0-9-]*\s+)(` + anyWord + `)`)
	inSetting  = regexp.MustCompile(`(?is)((?:\b|[_-])(?:` + secretName + `)(?:["']?\]?(?:=>?|\s+(?:=>|:=|={1,3})\s*|:\s+)|\\?["']\]?\s*(?:=>|:=|=|:|,)\s*))(` + anyWord + `)`)
	inHeader   = regexp.MustCompile(`(?is)(\bauthorization\\?["']?(?:\s*(?::|=>|=|,)\s*|\s+)["']?(?:(?:basic|bearer|token|digest|negotiate|apikey)\\?\s+)?)(` + anyWord + `)`)
	inScheme   = regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)[a-z0-9+/._~-]{8,}=*`)
	noSecretIn = regexp.MustCompile(`(?i)^[\s"'(]*--?(?:no-.*|.*-(?:file|stdin|prompt))\s+$`)
)

// flag is an option of some programs that has a secret in it; what is before the
// secret is group 1.
type flag struct{ program, option *regexp.Regexp }

func flagOf(programs string, options ...string) flag {
	return flag{
		regexp.MustCompile(`(?is)\b(?:` + programs + `)\b(?:'[^']*'|"[^"]*"|[^|;&"'])*(?:["'].*)?`),
		regexp.MustCompile(`(?s)(` + strings.Join(options, "|") + `)` + anyWord),
	}
}

// userAnd is the option of a program whose value is a user and a password, with
// something between them.
func userAnd(programs, option, between string) flag {
	f := flagOf(programs)
	f.option = regexp.MustCompile(`(?s)(\s` + option + `)(?:(\\*'[^'` + between + `]*` + between + `)[^']*|(\\*"[^"` + between + `]*` + between + `)(?:\\.|[^"\\])*|([^\s"'` + between + `]*` + between + `)` + anyWord + `)`)
	return f
}

var flags = []flag{
	flagOf(`mysql|mariadb|mysql[a-z]+|mariadb-[a-z]+|mycli`, `\s["']?-p`),
	flagOf(`sshpass`, `\s-p\s*`),
	flagOf(`(?:redis|valkey|keydb)-cli`, `\s-a\s*`, `\s(?:auth|AUTH)\s+`),
	flagOf(`mongo[a-z]*|mosquitto_[a-z]+|ncftp[a-z]*|rabbitmqadmin|zip|unzip|7z[ar]?`, `\s-[pP]\s*`),
	flagOf(`ldap[a-z]+`, `\s-w\s*`),
	userAnd(`curl|wget`, `(?:-[a-zA-Z]*[uU]\s*|--(?:proxy-)?user(?:\s+|=))`, ":"),
	userAnd(`lftp`, `(?:-u\s*|--user(?:\s+|=))`, ","),
	userAnd(`smbclient|rpcclient|net`, `(?:-U\s*|--user(?:\s+|=))`, "%"),
}

// masked takes the secrets that stand in commands and addresses away, as far as
// they can be recognised. What is masked stays as it is when it is masked again.
func masked(s string) string {
	if !strings.ContainsAny(s, "=: \t\r\n,") { // where there is no secret beside its name
		return s[:min(len(s), maxLineSize)]
	}
	for range 6 {
		next := maskedOnce(s)
		if next == s {
			return s
		}
		s = next
	}
	return secretIsSet // made to have no end
}

func maskedOnce(s string) string {
	s = s[:min(len(s), maxLineSize)]
	s = inURL.ReplaceAllString(s, "${1}:"+secretIsSet+"@")
	s = inURLUser.ReplaceAllString(s, "${1}"+secretIsSet+"@")
	for _, f := range flags {
		s = f.program.ReplaceAllStringFunc(s, func(part string) string {
			return f.option.ReplaceAllString(part, "${1}${2}${3}${4}"+secretIsSet)
		})
	}
	s = inHeader.ReplaceAllString(s, "${1}"+secretIsSet)
	s = inScheme.ReplaceAllString(s, "${1}"+secretIsSet)
	s = replaceValues(inOption, s)
	return replaceValues(inSetting, s)
}

// replaceValues masks the second group of every match, unless it is harmless.
func replaceValues(what *regexp.Regexp, s string) string {
	return what.ReplaceAllStringFunc(s, func(part string) string {
		m := what.FindStringSubmatch(part)
		if m != nil && strings.HasPrefix(m[2], secretIsSet) && strings.Trim(m[2][len(secretIsSet):], ",)]}") == "" {
			return part // done before
		}
		if m == nil || harmless(strings.Trim(m[2], `"'\`)) || noSecretIn.MatchString(m[1]) {
			return part
		}
		return m[1] + secretIsSet
	})
}

// maxCommand bounds a command that is told, in bytes.
const maxCommand = 1 << 10

// command is a command as it may be told.
func command(s string) string {
	if s = masked(s); len(s) > maxCommand {
		s = clip(s, maxCommand-len("…"))
	}
	return s
}

// maskedOptions masks options that have commas between them.
func maskedOptions(s string) string {
	if !strings.Contains(s, "=") {
		return s
	}
	list := strings.Split(s, ",")
	for i := range list {
		list[i] = masked(list[i])
	}
	return strings.Join(list, ",")
}
