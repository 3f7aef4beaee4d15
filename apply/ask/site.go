package ask

import (
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
	client := q.client(ctx)
	defer client.CloseIdleConnections()
	for hops := 0; ; hops++ {
		next, err := q.page(ctx, client, at)
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
func (q *asking) page(ctx context.Context, client *http.Client, at *url.URL) (*url.URL, error) {
	q.answer.Certificate = nil // of the page that counts
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "stopover-probe")
	res, err := client.Do(req)
	if err != nil {
		var u *url.Error // the URL's own text is known; what went wrong with it is not
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("ask server %s for %s: %w", schema.QuoteName(q.Server), shownURL(at), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostBody))
	if err != nil {
		return nil, fmt.Errorf("read %s from server %s: %w", shownURL(at), schema.QuoteName(q.Server), err)
	}
	a := &q.answer
	a.Status, a.Title = res.StatusCode, title(body)
	a.Contains = bytes.Contains(body, []byte(q.Contains))
	a.Found = q.Absent != "" && bytes.Contains(body, []byte(q.Absent))
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

// client dials the server, whatever it is asked for. Cookies are kept while
// redirects are followed: pages that set one and redirect would never end.
func (q *asking) client(ctx context.Context) *http.Client {
	connect := func(host string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(host) // whatever the name is: the server is asked
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		service := schema.ServiceHTTP
		if number == schema.ServicePort(schema.ServiceHTTPS) {
			service = schema.ServiceHTTPS
		}
		address, err := q.at(service, number)
		if err != nil {
			return nil, err
		}
		return dial(ctx, address)
	}
	t := &http.Transport{
		DialContext: func(_ context.Context, _, host string) (net.Conn, error) { return connect(host) },
		DialTLSContext: func(_ context.Context, _, host string) (net.Conn, error) {
			conn, err := connect(host)
			if err != nil {
				return nil, err
			}
			name, _, _ := net.SplitHostPort(host)
			secured, err := q.handshake(ctx, conn, q.tlsName(name))
			if err != nil {
				_ = conn.Close()
				return nil, err
			}
			return secured, nil
		},
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 256 << 10,
	}
	c := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if q.Follow {
		c.Jar, _ = cookiejar.New(nil) // without a list there is no error
	}
	return c
}

// title finds the title of a page; what is inside is shown to people only.
func title(body []byte) string {
	m := regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`).FindSubmatch(body)
	if m == nil {
		return ""
	}
	return short(html.UnescapeString(strings.ToValidUTF8(string(m[1]), "�")), mostLine)
}
