package ask

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/stopover/stopover/schema"
)

const (
	// mostBody is how much of an answer is read: a site may answer without end.
	mostBody = 1 << 20
	// mostRedirects are followed: browsers give up after twenty.
	mostRedirects = 10
)

// askSite asks for a page at the server, whatever its URL resolves to, so that
// the same question can be put to both servers. Redirects are the answer, unless
// the probe follows them.
func (q *asking) askSite(ctx context.Context) error {
	at, err := siteURL(q.HTTP)
	if err != nil {
		return err
	}
	visit := &visit{asking: q}
	if q.Follow { // pages that set a cookie and redirect would never end
		visit.jar, _ = cookiejar.New(nil) // without a list there is no error
	}
	for hops := 0; ; hops++ {
		next, err := visit.page(ctx, at)
		if err != nil && q.distrusts(err) {
			return nil
		}
		if err != nil || next == nil || !q.Follow || !q.follows(at, next) {
			return err
		}
		if hops == mostRedirects {
			q.refuse(fmt.Sprintf("more than %d redirects, the last one to %s", mostRedirects, shownURL(next)))
			return nil
		}
		at = next
	}
}

// visit is one visitor: a page and those that it redirects to.
type visit struct {
	*asking
	jar http.CookieJar // nil: cookies are not kept
}

func siteURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an http URL", raw)
	}
	return u, nil
}

// page asks for one page and returns where it redirects to; nil: nowhere.
func (v *visit) page(ctx context.Context, at *url.URL) (*url.URL, error) {
	a := &v.answer
	a.Certificate = nil // of the page that counts
	conn, err := v.connect(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("ask server %s for %s: %w", schema.QuoteName(v.Server), shownURL(at), err)
	}
	defer conn.Close()
	res, err := v.get(ctx, conn, at)
	if err != nil {
		return nil, fmt.Errorf("ask server %s for %s: %w", schema.QuoteName(v.Server), shownURL(at), err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, mostBody)) // closing it would read what is left
	if err != nil {
		return nil, fmt.Errorf("read %s from server %s: %w", shownURL(at), schema.QuoteName(v.Server), err)
	}
	if v.jar != nil {
		v.jar.SetCookies(at, res.Cookies())
	}
	a.Status, a.Title = res.StatusCode, title(body)
	a.Contains = bytes.Contains(body, []byte(v.Contains))
	a.Found = v.Absent != "" && bytes.Contains(body, []byte(v.Absent))
	if res.StatusCode < 300 || res.StatusCode > 399 {
		return nil, nil
	}
	next, err := res.Location()
	if err != nil {
		return nil, nil // a redirect to nowhere: the status says so
	}
	a.Redirects = append(a.Redirects, strconv.Itoa(res.StatusCode)+" "+shownURL(next))
	return next, nil
}

// connect reaches the server, whatever name the URL has.
func (v *visit) connect(ctx context.Context, at *url.URL) (net.Conn, error) {
	service, port := schema.ServiceHTTP, 0
	if at.Scheme == "https" {
		service = schema.ServiceHTTPS
	}
	if p := at.Port(); p != "" {
		var err error
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("%q is no port", p)
		}
	}
	address, err := v.at(service, port)
	if err != nil {
		return nil, err
	}
	conn, err := plainly(dial(ctx, address))
	if err != nil || at.Scheme != "https" {
		return conn, err
	}
	name, err := idna.Lookup.ToASCII(at.Hostname())
	if err != nil {
		name = at.Hostname() // an address; or nobody's name, as the certificate will tell
	}
	secured, err := v.handshake(ctx, conn, v.tlsName(name))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, nil
}

// mostInterim are the answers of the kind "100 Continue" before the one.
const mostInterim = 5

// get puts one request. The library's client is not used: it takes what a server
// sends too early for something to log, on the terminal of whoever runs this.
func (v *visit) get(ctx context.Context, conn net.Conn, at *url.URL) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	req.Header.Set("User-Agent", "stopover-probe")
	req.Header.Set("Accept", "*/*")
	if v.jar != nil {
		for _, c := range v.jar.Cookies(at) {
			req.AddCookie(c)
		}
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	from := bufio.NewReader(conn)
	for range mostInterim {
		res, err := http.ReadResponse(from, req)
		if err != nil {
			return nil, noHTTP(err)
		}
		if res.StatusCode >= 200 {
			return res, nil
		}
	}
	return nil, errors.New("it does not come to an answer")
}

// noHTTP says what came instead of an answer, without repeating all of it.
func noHTTP(err error) error {
	if s := err.Error(); len(s) > mostLine {
		return errors.New(short(s, mostLine) + "…")
	}
	return err
}

// shownURL is a URL without what changes from visit to visit, and without what
// may be secret: queries of redirects hold tokens.
func shownURL(u *url.URL) string {
	c := *u
	c.User, c.Fragment, c.RawFragment = nil, "", ""
	if c.RawQuery != "" {
		c.RawQuery = ""
		return c.String() + "?…"
	}
	return c.String()
}

// follows says whether a redirect leads to the account again. Other names are
// not asked: the server that is checked would answer for somebody else.
func (q *asking) follows(from, to *url.URL) bool {
	if to.Scheme != "http" && to.Scheme != "https" || to.Hostname() == "" {
		return false
	}
	bare := func(h string) string { return strings.TrimPrefix(strings.ToLower(strings.TrimSuffix(h, ".")), "www.") }
	name := bare(to.Hostname())
	return name == bare(from.Hostname()) || slices.ContainsFunc(q.Domains, func(d string) bool { return bare(d) == name })
}

// title finds the title of a page; what is inside is shown to people only.
func title(body []byte) string {
	m := regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`).FindSubmatch(body)
	if m == nil {
		return ""
	}
	return short(html.UnescapeString(strings.ToValidUTF8(string(m[1]), "�")), mostLine)
}
