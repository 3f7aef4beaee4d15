//go:build linux

package files

import (
	"errors"
	"fmt"
	"sync"
)

// Limits of what is carried. The receiver refuses a stream that goes beyond them; Scan reports files that do.
const (
	MaxFrame  = 256 << 10 // bytes of one frame
	MaxPath   = 4095      // bytes of a path below the root
	MaxName   = 255       // bytes of one name
	MaxXattr  = 64 << 10  // bytes of one extended attribute
	maxXattrs = 192 << 10 // bytes of all extended attributes of a file, so that they fit in one frame
)

// Code says what a finding is about.
type Code string

// Findings of Scan, Send and Receive.
const (
	Socket     Code = "socket"      // a socket: the program that listens on it makes a new one
	Device     Code = "device"      // a block or character device
	MountPoint Code = "mount-point" // something else is mounted here; not entered
	LongPath   Code = "long-path"   // more than MaxPath bytes
	XattrName  Code = "xattr-name"  // an attribute outside user.* and the POSIX ACLs
	XattrSize  Code = "xattr-size"  // attributes too large to carry
	XattrNone  Code = "xattr-none"  // the receiver's file system does not take attributes
)

// Codes returns all of them.
func Codes() []Code {
	return []Code{Socket, Device, MountPoint, LongPath, XattrName, XattrSize, XattrNone}
}

// Finding is something that does not arrive as it is. Path is relative to the root, in raw bytes.
type Finding struct {
	Code   Code
	Path   string
	Detail string
}

// String is for logs and tests.
func (f Finding) String() string { return fmt.Sprintf("%s %q %s", f.Code, f.Path, f.Detail) }

// maxFindings bounds what a hostile tree can make us remember; one more than that is not more useful.
const maxFindings = 1000

// findings collects findings from several goroutines.
type findings struct {
	mu   sync.Mutex
	list []Finding
}

func (f *findings) add(code Code, path, detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) < maxFindings {
		f.list = append(f.list, Finding{code, path, detail})
	}
}

// Errors that callers tell apart with errors.Is.
var (
	// ErrChanged: the tree changed in a frozen pass. Find out who still writes, and start over.
	ErrChanged = errors.New("changed while it was frozen")
	// ErrBase: the receiver does not hold what the base listing says. Scan the receiver again and use that as base.
	ErrBase = errors.New("receiver does not hold what its listing says; scan it again")
	// ErrStream: the stream is malformed, or asks for what no honest origin sends.
	ErrStream = errors.New("stream refused")
)

// PathError names the one object an error is about. Path is in raw bytes, relative to the root; the root itself is "".
type PathError struct {
	Op   string
	Path string
	Err  error
}

// Error quotes the path, which may hold anything.
func (e *PathError) Error() string { return fmt.Sprintf("%s %q: %v", e.Op, e.Path, e.Err) }

// Unwrap gives the cause.
func (e *PathError) Unwrap() error { return e.Err }

// fail names the object of an error, once, and only where it is the object.
func fail(op, path string, err error) error {
	var p *PathError
	var s *streamError
	if err == nil || errors.As(err, &p) || errors.As(err, &s) {
		return err
	}
	return &PathError{op, path, err}
}
