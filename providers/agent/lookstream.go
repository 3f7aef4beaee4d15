package agent

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
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
	// An event of few bytes must not become gigabytes of empty structures.
	maxList     = 1 << 16 // elements of one list
	maxElements = 1 << 19 // of all lists of an event
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
	if len(data) > maxEvent { // more than account and server leave
		return fmt.Errorf("an answer of %d bytes is longer than %d", len(data), maxEvent)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(data)), uint32(len(data))), data...))
	return err
}

func (l *lookWriter) progress(p providers.Progress) { _ = l.put(&lookEvent{Progress: &p}) }

// readLook reads the events of a survey and puts the answer together.
func readLook(r io.Reader, progress func(providers.Progress)) (*schema.FoundServer, error) {
	dec := newLookDecoder()
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
		if n, err := elements(raw); err != nil || n > maxElements {
			return nil, fmt.Errorf("the survey is not what an agent writes: lists of %d elements, %w", n, cmp.Or(err, errNotCBOR))
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

// newLookDecoder decodes events. It takes shorter lists than the protocol's own
// decoder, which reads what an agent with records sends.
func newLookDecoder() cbor.DecMode {
	dec, err := cbor.DecOptions{
		MaxArrayElements: maxList,
		MaxMapPairs:      maxList,
		MaxNestedLevels:  32,
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		UTF8:             cbor.UTF8DecodeInvalid, // names of files need not be UTF-8
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return dec
}

// eventReader reads events one by one: four bytes with the length, big-endian,
// and as many of CBOR.
type eventReader struct {
	r   io.Reader
	buf []byte
}

// next returns the next event; it is good until the one after it. io.EOF: there
// is none.
func (e *eventReader) next() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(e.r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxEvent {
		return nil, fmt.Errorf("the survey is not what an agent writes: an event of %d bytes, they have 1 to %d", n, maxEvent)
	}
	e.buf = slices.Grow(e.buf[:0], int(n))[:n]
	if _, err := io.ReadFull(e.r, e.buf); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return e.buf, nil
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
