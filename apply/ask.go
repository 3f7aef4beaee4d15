package apply

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// mostBody is how much of an answer is read: a site may answer without end.
const mostBody = 1 << 20

// Answer is what a probe got.
type Answer struct {
	Status   int    `json:"status"` // of HTTP, or of SMTP for the recipient
	Title    string `json:"title,omitempty"`
	Contains bool   `json:"contains"` // the text that the probe names is in the body; the recipient is accepted
}

// Ask sends a probe to an address, whatever its URL resolves to, so that the
// same question can be put to both servers. address is host:port, or a host,
// which is asked on the port of the URL. Redirects are not followed: they are
// the answer. Certificates are not verified: what visitors get is compared
// before and after, and a certificate is no part of that comparison.
//
// A probe for mail is asked of the address on which a server takes mail.
func Ask(ctx context.Context, p schema.Probe, address string) (Answer, error) {
	if p.SMTP != "" {
		return askMail(ctx, p, address)
	}
	res, err := get(ctx, p.HTTP, address, nil)
	if err != nil {
		return Answer{}, fmt.Errorf("probe %s: %w", schema.QuoteName(p.Name), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostBody))
	if err != nil {
		return Answer{}, fmt.Errorf("probe %s: %w", schema.QuoteName(p.Name), err)
	}
	return Answer{Status: res.StatusCode, Title: title(body), Contains: bytes.Contains(body, []byte(p.Contains))}, nil
}

// get asks for a URL at an address. keep may hold a client that is used again.
func get(ctx context.Context, rawURL, address string, keep *http.Client) (*http.Response, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an http URL", rawURL)
	}
	client := keep
	if client == nil {
		client = clientFor(u, address, false)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "stopover-probe")
	res, err := client.Do(req)
	if err != nil {
		// The URL's own text is known; what went wrong with it is not.
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("ask %s for %s: %w", address, rawURL, err)
	}
	return res, nil
}

func clientFor(u *url.URL, address string, reuse bool) *http.Client {
	dial := &net.Dialer{Timeout: 5 * time.Second}
	if _, _, err := net.SplitHostPort(address); err != nil {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		address = net.JoinHostPort(strings.Trim(address, "[]"), port)
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       15 * time.Second,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dial.DialContext(ctx, "tcp", address)
			},
			DisableKeepAlives:   !reuse,
			MaxIdleConnsPerHost: 4,
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see Ask
		},
	}
}

// titleOf finds the title of a page; what is inside is shown to people only.
func title(body []byte) string {
	m := regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`).FindSubmatch(body)
	if m == nil {
		return ""
	}
	t := strings.ToValidUTF8(html.UnescapeString(string(m[1])), "�")
	r := []rune(strings.Join(strings.Fields(t), " "))
	return string(r[:min(len(r), 200)])
}
