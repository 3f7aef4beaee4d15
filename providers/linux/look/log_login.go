//go:build linux

package look

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// parseLogin reads one line of a log. Without encryption are logins of which the
// line says neither TLS nor that they were secured, unless they come from the
// machine itself.
func parseLogin(line string, tls map[string]string) (x seen, ok bool) {
	if len(line) > maxLineSize {
		return x, false
	}
	switch {
	case strings.Contains(line, "-login: "):
		var rest string
		if x, rest, ok = dovecotLogin(line); !ok {
			return x, false
		}
		x.plain = !strings.Contains(rest, ", TLS") && !strings.Contains(rest, ", secured")
		if i := strings.Index(rest, ", TLSv"); i >= 0 {
			x.version, _, _ = strings.Cut(rest[i+2:], " ")
			x.version = strings.TrimRight(x.version, ",")
		}
		if x.service == "submission" {
			x.service = "smtp"
		}
	case strings.Contains(line, " TLS connection established from "):
		if m := postfixTLS.FindStringSubmatch(line); m != nil && len(tls) < 10_000 {
			tls[m[1]+m[2]] = m[3]
		}
		return x, false
	case strings.Contains(line, "sasl_username="):
		m := postfixLogin.FindStringSubmatch(line)
		if m == nil {
			return x, false
		}
		process := line[strings.Index(line, "smtpd["):]
		process = process[:strings.IndexByte(process, ']')+1]
		x = seen{service: "smtp", user: strings.TrimRight(m[2], ","), address: m[1], version: tls[process+m[1]]}
		x.plain = x.version == ""
	case strings.Contains(line, " <= ") && strings.Contains(line, " A="):
		m, a := eximLine.FindStringSubmatch(line), eximAuth.FindStringSubmatch(line)
		if m == nil || a == nil {
			return x, false
		}
		x = seen{service: "smtp", user: a[1], address: m[2], plain: !strings.HasSuffix(m[3], "sa") && !strings.HasSuffix(m[3], "s")}
		if v := eximTLS.FindStringSubmatch(line); v != nil {
			x.version, x.plain = v[1], false
		}
	default:
		return ftpLogin(line)
	}
	return checkSeen(x)
}

// dovecotLogin reads "imap-login: Login: user=<ann>, method=PLAIN, rip=192.0.2.7,
// …" and returns what follows. Logs are long, and most of their lines are these.
func dovecotLogin(line string) (x seen, rest string, ok bool) {
	before, rest, ok := strings.Cut(line, "Login: user=<")
	if !ok {
		return x, "", false
	}
	before, ok = strings.CutSuffix(strings.TrimSuffix(before, "Info: "), "-login: ")
	x.service = before[strings.LastIndexByte(before, ' ')+1:]
	if !ok || !slices.Contains([]string{"imap", "pop3", "managesieve", "submission"}, x.service) {
		return x, "", false
	}
	x.user, rest, ok = strings.Cut(rest, ">, ")
	if !ok {
		return x, "", false
	}
	_, address, ok := strings.Cut(rest, "rip=")
	x.address, _, _ = strings.Cut(address, ",")
	return x, ", " + rest, ok
}

// ftpLogin reads lines of FTP servers, whose logs do not tell encryption: FTP is
// taken as plain unless the line speaks of TLS.
func ftpLogin(line string) (x seen, ok bool) {
	if m := vsftpdLogin.FindStringSubmatch(line); m != nil {
		x = seen{service: "ftp", user: m[1], address: m[2]}
	} else if m := proftpdLogin.FindStringSubmatch(line); m != nil {
		x = seen{service: "ftp", user: m[2], address: m[1]}
	} else if m := pureLogin.FindStringSubmatch(line); m != nil {
		x = seen{service: "ftp", user: m[2], address: m[1]}
	} else {
		return x, false
	}
	x.plain = !strings.Contains(line, "TLS")
	return checkSeen(x)
}

func checkSeen(x seen) (seen, bool) {
	if len(x.user) > 320 || len(x.address) > 64 || x.user == "" {
		return x, false
	}
	x.address = strings.TrimPrefix(x.address, "::ffff:")
	if a, err := netip.ParseAddr(x.address); err == nil && a.IsLoopback() {
		x.plain = false // nobody listens in on the machine itself
	}
	return x, true
}

// logTime reads the time in front of a line: ISO, exim's, or syslog's, which has
// no year: the one that is not after the file was last written.
func logTime(line string, modified time.Time) time.Time {
	word, _, _ := strings.Cut(line, " ")
	if t, err := time.Parse(time.RFC3339Nano, word); err == nil {
		return t.UTC()
	}
	if len(line) >= 19 {
		if t, err := time.ParseInLocation(time.DateTime, line[:19], modified.Location()); err == nil {
			return t.UTC()
		}
	}
	if len(line) >= 15 {
		if t, err := time.ParseInLocation(time.Stamp, line[:15], modified.Location()); err == nil {
			t = t.AddDate(modified.Year(), 0, 0)
			if t.After(modified.Add(24 * time.Hour)) {
				t = t.AddDate(-1, 0, 0)
			}
			return t.UTC()
		}
	}
	return time.Time{}
}
