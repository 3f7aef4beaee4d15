package sshdtest

import (
	"net"
	"testing"
)

// Relay passes connections on until cut, from when on it keeps them open and
// passes nothing, as a network that was cut.
func Relay(t testing.TB, to string) (port int, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	gate := make(chan struct{})
	pass := func(dst, src net.Conn) {
		buf := make([]byte, 32<<10)
		for {
			n, err := src.Read(buf)
			select {
			case <-gate:
				continue
			default:
			}
			if n > 0 {
				_, _ = dst.Write(buf[:n])
			}
			if err != nil {
				_ = dst.Close()
				return
			}
		}
	}
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				_ = a.Close()
				continue
			}
			go pass(a, b)
			go pass(b, a)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, func() { close(gate) }
}
