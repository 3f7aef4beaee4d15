// Package pulse makes a connection of two byte streams, both of whose ends
// notice when the other is gone.
//
// Standard input and output of a program over SSH have no time-outs of their
// own: when the network is cut, the program's reads wait for hours. So bytes
// travel in frames, and an end that has nothing to say sends an empty one.
// Whoever hears nothing at all for the limit while it listens is alone.
//
// A frame is its length in two bytes, the high one first, and at most MaxFrame
// bytes. Before the first frame each end says Hello, so that other words on the
// stream are known for what they are.
package pulse

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Hello is what each end says first.
const Hello = "stopover/1\n"

// MaxFrame bounds the bytes of one frame.
const MaxFrame = 32 << 10

// Limit is how long the other end may say nothing at all.
const Limit = 30 * time.Second

var (
	// ErrSilent: the other end has said nothing for the limit.
	ErrSilent = errors.New("the other end has gone silent")
	// ErrForeign: what came is not what the other end writes.
	ErrForeign = errors.New("not the language of stopover-agent")
)

// Conn is a net.Conn over two streams.
type Conn struct {
	net.Conn // this side's end of a pipe, which knows deadlines
	there    net.Conn
	inner    io.ReadWriteCloser
	limit    time.Duration

	write sync.Mutex // of inner, one frame at a time
	once  sync.Once
	done  chan struct{} // closed with the first reason
	why   error         // once done
	pumps sync.WaitGroup
}

// New makes a connection of a stream that carries bytes both ways. It closes
// inner when it ends. limit is Limit but in tests.
func New(inner io.ReadWriteCloser, limit time.Duration) *Conn {
	here, there := net.Pipe()
	c := &Conn{Conn: here, there: there, inner: inner, limit: limit, done: make(chan struct{})}
	c.write.Lock() // until Hello is said
	c.pumps.Go(c.listen)
	c.pumps.Go(c.speak)
	c.pumps.Go(c.beat)
	return c
}

// end keeps the first reason and ends everything.
func (c *Conn) end(why error) {
	c.once.Do(func() {
		c.why = why
		close(c.done)
		_ = c.there.Close()
		_ = c.inner.Close()
	})
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection ended: io.EOF when either end closed it, nil as
// long as it stands.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.why
	default:
		return nil
	}
}

// Read reads what the other end wrote. When that is over it says why.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) && n == 0 {
		if why := c.Err(); why != nil {
			err = why
		}
	}
	return n, err
}

// Write writes to the other end. When that is over it says why.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, io.ErrClosedPipe) {
		if why := c.Err(); why != nil && !errors.Is(why, io.EOF) {
			err = why
		}
	}
	return n, err
}

// Close ends the connection: what was written is sent before.
func (c *Conn) Close() error {
	_ = c.Conn.Close()
	sent := make(chan struct{})
	go func() {
		c.pumps.Wait()
		close(sent)
	}()
	late := time.NewTimer(min(c.limit, 5*time.Second))
	defer late.Stop()
	select {
	case <-sent:
	case <-late.C:
		c.end(io.EOF)
	}
	return nil
}

// speak sends what is written here.
func (c *Conn) speak() {
	_, err := io.WriteString(c.inner, Hello)
	c.write.Unlock()
	if err != nil {
		err = fmt.Errorf("%w: %w", errSend, err)
	}
	buf := make([]byte, 2+MaxFrame)
	for err == nil {
		var n int
		n, err = c.there.Read(buf[2:])
		if n > 0 {
			if sent := c.frame(buf, n); sent != nil {
				err = sent
			}
		}
	}
	switch {
	case errors.Is(err, errSend):
		c.unsent(err)
	case errors.Is(err, io.ErrClosedPipe):
		c.end(io.EOF)
	default:
		c.end(err)
	}
}

// errSend marks what went wrong with sending.
var errSend = errors.New("send")

// unsent ends a connection on which nothing can be sent. What the other end
// said last is more telling, so that is waited for.
func (c *Conn) unsent(err error) {
	late := time.NewTimer(min(c.limit, 2*time.Second))
	defer late.Stop()
	select {
	case <-c.done:
	case <-late.C:
		c.end(err)
	}
}

// frame sends the n bytes after the first two of buf.
func (c *Conn) frame(buf []byte, n int) error {
	binary.BigEndian.PutUint16(buf, uint16(n))
	c.write.Lock()
	defer c.write.Unlock()
	if _, err := c.inner.Write(buf[:2+n]); err != nil {
		return fmt.Errorf("%w: %w", errSend, err)
	}
	return nil
}

// beat gives a sign of life where nothing else is said.
func (c *Conn) beat() {
	tick := time.NewTicker(c.limit / 6)
	defer tick.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
		// While a frame is on its way that is sign enough.
		if c.write.TryLock() {
			_, err := c.inner.Write([]byte{0, 0})
			c.write.Unlock()
			if err != nil {
				c.unsent(fmt.Errorf("%w: %w", errSend, err))
				return
			}
		}
	}
}

// listen takes what the other end sends.
func (c *Conn) listen() {
	silence := time.AfterFunc(c.limit, func() {
		c.end(fmt.Errorf("%w for %s", ErrSilent, c.limit))
	})
	defer silence.Stop()
	r := bufio.NewReaderSize(&heard{c.inner, silence, c.limit}, MaxFrame)
	c.end(receive(r, func(p []byte) error {
		// Whoever reads here may take its time; that is not the other's silence.
		silence.Stop()
		_, err := c.there.Write(p)
		silence.Reset(c.limit)
		return err
	}))
}

// heard puts silence off whenever something is heard.
type heard struct {
	r       io.Reader
	silence *time.Timer
	limit   time.Duration
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if n > 0 {
		h.silence.Reset(h.limit)
	}
	return n, err
}

// receive reads hello and frames to their end, which is io.EOF between two of
// them and an error anywhere else.
func receive(r *bufio.Reader, take func([]byte) error) error {
	hello := make([]byte, len(Hello))
	n, err := io.ReadFull(r, hello)
	if n == 0 && err != nil {
		return err
	}
	if string(hello[:n]) != Hello[:n] || err != nil {
		return fmt.Errorf("%w: it begins with %q", ErrForeign, hello[:n])
	}
	buf := make([]byte, MaxFrame)
	for {
		if _, err := io.ReadFull(r, buf[:2]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint16(buf))
		if n > MaxFrame {
			return fmt.Errorf("%w: a frame of %d bytes", ErrForeign, n)
		}
		if n == 0 {
			continue
		}
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if err := take(buf[:n]); err != nil {
			if errors.Is(err, io.ErrClosedPipe) {
				err = io.EOF
			}
			return err
		}
	}
}
