//go:build linux

package look

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"io"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// Bounds of reading logs: the newest part of each file, and so many files.
const (
	maxLogTail    = 8 << 20
	maxLogFiles   = 64
	maxLogClients = 20_000
)

// seen is somebody who logged in, as a line of a log says.
type seen struct {
	service, user, address string
	plain                  bool
	version                string // of TLS
	at                     time.Time
}

var (
	dovecotLogin = regexp.MustCompile(`\b(imap|pop3|managesieve|submission)-login: (?:Info: )?Login: user=<([^>]*)>, method=([^,]*), rip=([^,]+)`)
	postfixLogin = regexp.MustCompile(`postfix/(?:submission/|smtps/)?smtpd\[\d+\]: [^:]+: client=[^\[]*\[([^\]]+)\], sasl_method=\S+, sasl_username=(\S+)`)
	postfixTLS   = regexp.MustCompile(`(smtpd\[\d+\]): (?:Anonymous|Trusted|Untrusted|Verified) TLS connection established from [^\[]*\[([^\]]+)\]: (TLSv[\d.]+)`)
	eximLine     = regexp.MustCompile(`^(\S+ \S+) (?:\[\d+\] )?\S+ <= .* H=.*?\[([^\]]+)\].* P=(\S+) `)
	eximAuth     = regexp.MustCompile(` A=[^:\s]+:(\S+)`)
	eximTLS      = regexp.MustCompile(` X=(TLS[\d.]+)`)
	vsftpdLogin  = regexp.MustCompile(`\[([^\]]+)\] OK LOGIN: Client "([^"]+)"`)
	proftpdLogin = regexp.MustCompile(`proftpd\[\d+\].*\[([^\]]+)\]\).*USER ([^:\s]+): Login successful`)
	pureLogin    = regexp.MustCompile(`pure-ftpd: \(\?@([^)]+)\) \[INFO\] (\S+) is now logged in`)
)

// clients reads the logs for who uses mail and FTP, and hands them to accounts.
func (s *running) clients(ctx context.Context) {
	found := map[seen]*schema.Client{}
	var order []seen
	for _, file := range s.logFiles() {
		if ctx.Err() != nil {
			return
		}
		f, err := s.r.open(file)
		if err != nil {
			continue
		}
		st, err := f.Stat()
		if err == nil {
			readLog(f, st.Size(), strings.HasSuffix(file, ".gz"), st.ModTime(), func(x seen) {
				key := x
				key.at = time.Time{}
				c := found[key]
				if c == nil {
					if len(found) >= maxLogClients {
						return
					}
					c = &schema.Client{Service: x.service, User: x.user, Address: x.address, Plain: x.plain, Version: x.version}
					found[key] = c
					order = append(order, key)
				}
				c.Times++
				if x.at.After(c.Last) {
					c.Last = x.at
				}
			})
		}
		f.Close()
	}
	who := s.mailOwners()
	for _, k := range order {
		if a := s.loginOwner(k, who); a != nil && len(a.Clients) < 1000 {
			a.Clients = append(a.Clients, *found[k])
		}
	}
	for _, a := range s.w.accounts {
		slices.SortFunc(a.Clients, func(x, y schema.Client) int {
			return cmp.Or(cmp.Compare(x.Service, y.Service), cmp.Compare(x.User, y.User), cmp.Compare(x.Address, y.Address), cmp.Compare(x.Version, y.Version))
		})
	}
}

// logFiles are those of the layout and of the programs that log elsewhere, each
// with the two that were rotated last.
func (s *running) logFiles() (list []string) {
	globs := append(slices.Clone(s.w.layout.MailLogs), "/var/log/maillog", "/var/log/exim4/mainlog", "/var/log/exim/main.log", "/var/log/vsftpd.log", "/var/log/proftpd/proftpd.log", "/var/log/pure-ftpd/transfer.log")
	for _, g := range globs {
		for _, p := range s.r.glob(g) {
			for _, q := range []string{p, p + ".1", p + ".1.gz", p + ".2.gz"} {
				if s.r.isFile(q) && !slices.Contains(list, q) && len(list) < maxLogFiles {
					list = append(list, q)
				}
			}
		}
	}
	return list
}

// readLog calls f for every login in the end of a log.
func readLog(r io.ReaderAt, size int64, packed bool, modified time.Time, f func(seen)) {
	var in io.Reader
	if packed {
		z, err := gzip.NewReader(io.NewSectionReader(r, 0, size))
		if err != nil {
			return
		}
		in = tailOf(io.LimitReader(z, 16*maxLogTail)) // a packed file has no end to begin at
	} else {
		from := max(0, size-maxLogTail)
		in = io.NewSectionReader(r, from, size-from)
	}
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 64<<10), smallFile)
	tls := map[string]string{} // of connections of postfix, by process and address
	for scan.Scan() {
		if x, ok := parseLogin(scan.Text(), tls); ok {
			x.at = logTime(scan.Text(), modified)
			f(x)
		}
	}
}

// tailOf keeps the last part of what is read.
func tailOf(r io.Reader) io.Reader {
	var last, now []byte
	for {
		b := make([]byte, maxLogTail/2)
		n, err := io.ReadFull(r, b)
		last, now = now, b[:n]
		if err != nil {
			return io.MultiReader(bytes.NewReader(last), bytes.NewReader(now))
		}
	}
}

// parseLogin reads one line of a log. Without encryption are logins of which the
// line says neither TLS nor that they were secured, unless they come from the
// machine itself.
func parseLogin(line string, tls map[string]string) (x seen, ok bool) {
	if len(line) > maxLineSize {
		return x, false
	}
	switch {
	case strings.Contains(line, "-login: "):
		m := dovecotLogin.FindStringSubmatch(line)
		if m == nil {
			return x, false
		}
		rest := line[strings.Index(line, m[0])+len(m[0]):]
		x = seen{service: m[1], user: m[2], address: m[4]}
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

// mailOwners are the accounts of virtual mail users, by address: of files of
// users by their uid or home.
func (s *running) mailOwners() map[string]*account {
	who := map[string]*account{}
	for _, g := range s.w.layout.MailUsers {
		for _, p := range s.w.places([]string{g}) {
			text, _ := s.w.readPlace(p, bigFile)
			lines(text, func(_ int, line string) bool {
				f := strings.Split(line, ":")
				if len(f) < 4 || f[0] == "" || f[0][0] == '#' {
					return true
				}
				a := s.byUser(f[2])
				if a == nil && len(f) > 5 {
					a = s.byPath(f[5])
				}
				if a == nil && len(f) > 5 {
					a = s.byOwner(f[5])
				}
				if a != nil {
					who[strings.ToLower(f[0])] = a
				}
				return len(who) < 200_000
			})
		}
	}
	for _, a := range s.w.accounts {
		for _, d := range a.Domains {
			if _, ok := who["@"+d.Name]; !ok {
				who["@"+d.Name] = a
			}
		}
	}
	return who
}

// loginOwner is the account that somebody logged in to.
func (s *running) loginOwner(x seen, who map[string]*account) *account {
	user := strings.ToLower(x.user)
	if a := who[user]; a != nil {
		return a
	}
	if a := s.byUser(x.user); a != nil {
		return a
	}
	name, domain, ok := strings.Cut(user, "@")
	if !ok {
		for _, a := range s.w.accounts { // further users of FTP
			if a.User != nil && slices.ContainsFunc(a.User.Logins, func(l schema.Login) bool { return l.Name == x.user }) {
				return a
			}
		}
		return nil
	}
	if a := who["@"+domain]; a != nil {
		return a
	}
	for _, g := range s.w.layout.Mail { // whose files the mailbox has
		if strings.Contains(g, "{domain}") && !strings.ContainsAny(name+domain, "/\x00") && name != ".." {
			p := strings.NewReplacer("{domain}", domain, "{user}", name).Replace(g)
			if !strings.Contains(p, "{") {
				if a := s.byOwner(filepath.Clean(p)); a != nil {
					return a
				}
			}
		}
	}
	return nil
}
