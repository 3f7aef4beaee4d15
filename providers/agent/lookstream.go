package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// What the end that runs Stopover takes from a server that may lie. An event is
// decoded only when it is whole, so the sum of what is kept is checked before
// the next one is read.
const (
	maxEvent  = 4 << 20   // bytes of one event on the wire
	maxKept   = 512 << 20 // bytes of all that is kept, as they lie in memory
	maxEvents = 1 << 21   // accounts and progress together
)

// lookWriter writes events; one that is too long is shortened, and says so.
type lookWriter struct {
	mu sync.Mutex
	w  io.Writer
	c  codec
}

func newLookWriter(w io.Writer) *lookWriter { return &lookWriter{w: w, c: newCodec()} }

func (l *lookWriter) put(e *lookEvent) error {
	data, err := l.c.enc.Marshal(e)
	if err != nil {
		return err
	}
	if len(data) > maxEvent {
		return fmt.Errorf("an answer of %d bytes is longer than %d", len(data), maxEvent)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.w.Write(data)
	return err
}

func (l *lookWriter) progress(p providers.Progress) { _ = l.put(&lookEvent{Progress: &p}) }

// account writes one account. One with more to say than fits loses its longest
// lists, one after the other, and names them as truncated.
func (l *lookWriter) account(a *schema.FoundAccount) error {
	for _, cut := range []func() (string, int){
		func() (string, int) { n := len(a.Lines); a.Lines = nil; return "lines", n },
		func() (string, int) { n := len(a.Links); a.Links = nil; return "links", n },
		func() (string, int) { n := len(a.Mentions); a.Mentions = nil; return "mentions", n },
		func() (string, int) { n := len(a.Binaries); a.Binaries = nil; return "binaries", n },
		func() (string, int) { n := len(a.Environments); a.Environments = nil; return "environments", n },
		func() (string, int) {
			n := 0
			for i := range a.Databases {
				n++
				a.Databases[i].Detail = nil
			}
			return "databases", n
		},
	} {
		data, err := l.c.enc.Marshal(&lookEvent{Account: a})
		if err != nil {
			return err
		}
		if len(data) <= maxEvent {
			break
		}
		if what, n := cut(); n > 0 {
			a.Truncated = append(a.Truncated, what)
		}
	}
	return l.put(&lookEvent{Account: a})
}

// readLook reads the events of a survey and puts the answer together.
func readLook(r io.Reader, progress func(providers.Progress)) (*schema.FoundServer, error) {
	dec := newCodec().dec
	var accounts []*schema.FoundAccount
	kept, fr := 0, &eventReader{r: r}
	for range maxEvents {
		raw, err := fr.next()
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		var e lookEvent
		if err := dec.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("the survey is not what an agent writes: %w", err)
		}
		switch {
		case e.Server != nil:
			if kept += sizeOf(reflect.ValueOf(e.Server)); kept > maxKept {
				return nil, tooMuch()
			}
			e.Server.Accounts = accounts
			if _, err := fr.next(); !errors.Is(err, io.EOF) {
				return nil, errors.New("the survey goes on after its end")
			}
			return e.Server, nil
		case e.Account != nil:
			if kept += sizeOf(reflect.ValueOf(e.Account)); kept > maxKept {
				return nil, tooMuch()
			}
			accounts = append(accounts, e.Account)
		case e.Progress != nil && progress != nil:
			progress(*e.Progress)
		}
	}
	return nil, tooMuch()
}

func tooMuch() error {
	return fmt.Errorf("the survey has more to say than %d MB: the agent is not the one that was put there, or the server is too large for one survey", maxKept>>20)
}

// eventReader cuts the sequence of CBOR items into single ones, none longer
// than maxEvent.
type eventReader struct {
	r   io.Reader
	buf []byte
	eof error
}

func (e *eventReader) next() ([]byte, error) {
	for {
		if len(e.buf) > 0 {
			// Well-formedness says where an item ends before anything is decoded.
			rest, err := cbor.UnmarshalFirst(e.buf, new(cbor.RawMessage))
			if err == nil {
				item := e.buf[:len(e.buf)-len(rest)]
				e.buf = rest
				return item, nil
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, fmt.Errorf("the survey is not what an agent writes: %w", err)
			}
			if len(e.buf) >= maxEvent {
				return nil, fmt.Errorf("the survey has an item longer than %d bytes", maxEvent)
			}
		}
		if e.eof != nil {
			if len(e.buf) > 0 && errors.Is(e.eof, io.EOF) {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, e.eof
		}
		chunk := make([]byte, min(max(64<<10, len(e.buf)), maxEvent-len(e.buf)))
		n, err := e.r.Read(chunk)
		e.buf = append(e.buf, chunk[:n]...)
		e.eof = err
	}
}

// sizeOf is about how much memory a value keeps.
func sizeOf(v reflect.Value) int {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 8
		}
		return 8 + sizeOf(v.Elem())
	case reflect.String:
		return 16 + v.Len()
	case reflect.Slice:
		n := 24
		for i := range v.Len() {
			n += sizeOf(v.Index(i))
		}
		return n
	case reflect.Map:
		n := 48
		for it := v.MapRange(); it.Next(); {
			n += 16 + sizeOf(it.Key()) + sizeOf(it.Value())
		}
		return n
	case reflect.Struct:
		n := 0
		for i := range v.NumField() {
			n += sizeOf(v.Field(i))
		}
		return n
	}
	return int(v.Type().Size())
}

// oneListener hands out one connection, and ends when that does.
type oneListener struct {
	conn   chan net.Conn
	addr   net.Addr
	closed chan struct{}
	once   sync.Once
}

func newOneListener(c net.Conn) *oneListener {
	l := &oneListener{conn: make(chan net.Conn, 1), addr: c.LocalAddr(), closed: make(chan struct{})}
	l.conn <- &endingConn{Conn: c, ended: l.end}
	return l
}

func (l *oneListener) end() { l.once.Do(func() { close(l.closed) }) }

func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneListener) Close() error {
	l.end()
	return nil
}

func (l *oneListener) Addr() net.Addr { return l.addr }

// endingConn tells its listener when it was closed.
type endingConn struct {
	net.Conn
	ended func()
}

func (c *endingConn) Close() error {
	c.ended()
	return c.Conn.Close()
}
