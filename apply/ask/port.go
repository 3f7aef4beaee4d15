package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

const (
	mostBanner = 4096            // bytes that a server may say before it is understood
	banterTime = 2 * time.Second // how long to wait for more, after something came
)

// askPort connects, and reads what the server says first if the probe wants
// something of it. Nothing is sent.
func (q *asking) askPort(ctx context.Context) error {
	host, port, err := net.SplitHostPort(q.TCP)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	address, connect, err := q.reach("", host, number)
	if err != nil {
		return err
	}
	conn, err := connect(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("connect to %s: %w", address, err)
		}
		q.refuse("it does not connect: " + err.Error())
		return nil
	}
	defer conn.Close()
	if q.Security == schema.SecurityTLS {
		if conn, err = q.handshake(ctx, conn, q.tlsName(host)); err != nil {
			if q.distrusts(err) {
				return nil
			}
			return fmt.Errorf("begin TLS with %s: %w", address, err)
		}
	}
	if q.Contains == "" {
		q.answer.Contains = true
		return nil
	}
	said, err := banner(ctx, conn, q.Contains)
	if err != nil && said == "" {
		return fmt.Errorf("listen to %s: %w", address, err)
	}
	q.answer.Contains = strings.Contains(said, q.Contains)
	q.answer.Line = firstLine(said)
	return nil
}

// banner reads until the text came, the server fell silent or said too much.
func banner(ctx context.Context, conn net.Conn, text string) (string, error) {
	_ = conn.SetReadDeadline(time.Now().Add(left(ctx)))
	var said strings.Builder
	buf := make([]byte, mostBanner)
	for said.Len() < mostBanner && !strings.Contains(said.String(), text) {
		n, err := conn.Read(buf[:mostBanner-said.Len()])
		said.Write(buf[:n])
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) && said.Len() > 0 {
			break
		}
		if err != nil {
			return said.String(), err
		}
		_ = conn.SetReadDeadline(time.Now().Add(min(banterTime, left(ctx))))
	}
	return said.String(), nil
}
