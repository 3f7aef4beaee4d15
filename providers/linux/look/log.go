//go:build linux

package look

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"io"
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
