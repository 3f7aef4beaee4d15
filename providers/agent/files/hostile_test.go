//go:build linux

package files

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// stream writes frames as no honest origin would.
type stream struct {
	t testing.TB
	b bytes.Buffer
	w *frameWriter
}

func forge(t testing.TB) *stream {
	s := &stream{t: t}
	s.w = newFrameWriter(&s.b)
	return s.value(frameHello, hello{Version: version, Stage: stagePrefix + "0"})
}

func (s *stream) value(k kind, v any) *stream {
	s.t.Helper()
	must(s.t, s.w.value(k, v))
	return s
}

func (s *stream) whole(path, content string) *stream {
	s.t.Helper()
	head, err := s.w.enc.Marshal(file{Path: path, Meta: meta{Mode: 0o644}, Size: int64(len(content))})
	must(s.t, err)
	must(s.t, s.w.parts(frameWhole, binary.LittleEndian.AppendUint32(nil, uint32(len(head))), head, []byte(content)))
	return s
}

func (s *stream) data(at int64, content string) *stream {
	s.t.Helper()
	must(s.t, s.w.parts(frameData, binary.LittleEndian.AppendUint64(nil, uint64(at)), []byte(content)))
	return s
}

func (s *stream) receive(root string) error {
	s.t.Helper()
	must(s.t, s.w.parts(frameEnd), s.w.w.Flush())
	_, err := Receive(context.Background(), root, &s.b, ReceiveOptions{})
	return err
}

// walled makes a root with an outside beside it, and returns a check that the outside is as it was.
func walled(t testing.TB) (root, outside string, check func()) {
	t.Helper()
	top := disk(t)
	root, outside = filepath.Join(top, "root"), filepath.Join(top, "outside")
	must(t, os.Mkdir(root, 0o755))
	write(t, filepath.Join(outside, "victim"), "intact")
	must(t, os.Mkdir(filepath.Join(outside, "dir"), 0o755))
	before := picture(t, outside)
	return root, outside, func() {
		t.Helper()
		if now := picture(t, outside); now != before {
			t.Errorf("outside changed:\n%s\nwas\n%s", now, before)
		}
		if list, _ := os.ReadDir(top); len(list) != 2 {
			t.Errorf("something new beside the root: %v", list)
		}
	}
}

func picture(t testing.TB, root string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		must(t, err)
		b.WriteString(path + " " + fi.Mode().String() + " " + fi.ModTime().String())
		if fi.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			must(t, err)
			b.Write(content)
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

func TestHostilePaths(t *testing.T) {
	bad := []string{"", ".", "..", "/", "/abs", "a/", "a//b", "../victim", "../outside/victim", "a/../../outside/victim", "./a", "a/.", "nul\x00",
		strings.Repeat("n", 256), strings.Repeat("p/", 2048) + "x", stagePrefix + "0", stagePrefix + "0/f1"}
	for _, p := range bad {
		m := meta{Mode: 0o644}
		for k, v := range map[kind]any{
			frameMkdir: one{Path: p}, frameRemove: one{Path: p}, frameFile: file{Path: p, Meta: m}, frameSymlink: file{Path: p, Meta: m, Target: "x"},
			frameFifo: file{Path: p, Meta: m}, frameMeta: file{Path: p, Meta: m}, frameDirMeta: file{Path: p, Meta: m},
			frameStash: move{From: p}, framePlace: move{To: p}, frameRename: move{From: p, To: "ok"}, frameLink: move{From: p, To: "ok"},
		} {
			if p == "" && k == frameDirMeta {
				continue // the root itself
			}
			root, _, check := walled(t)
			if err := forge(t).value(k, v).receive(root); !errors.Is(err, ErrStream) {
				t.Errorf("frame %d with %q: %v", k, p, err)
			}
			check()
		}
		root, _, check := walled(t)
		if err := forge(t).whole(p, "x").receive(root); !errors.Is(err, ErrStream) {
			t.Errorf("file with %q: %v", p, err)
		}
		check()
	}
	for _, stage := range []string{"", "x", "../x", stagePrefix, stagePrefix + "-1", stagePrefix + "1/..", stagePrefix + "99999999999999999999"} {
		s := &stream{t: t}
		s.w = newFrameWriter(&s.b)
		if err := s.value(frameHello, hello{Version: version, Stage: stage}).receive(disk(t)); !errors.Is(err, ErrStream) {
			t.Errorf("stage %q: %v", stage, err)
		}
	}
}

// A link made by the stream itself must not lead any later frame outside.
func TestHostileLinks(t *testing.T) {
	m := meta{Mode: 0o4777, Sec: 1, Xattrs: []Xattr{{Name: "user.x", Value: []byte("x")}}}
	for name, add := range map[string]func(*stream){
		"write through": func(s *stream) { s.whole("link/victim", "gone") },
		"large through": func(s *stream) {
			s.value(frameFile, file{Path: "link/new", Meta: m, Size: 1}).data(0, "x").value(frameDone, done{Keep: true})
		},
		"mkdir through":  func(s *stream) { s.value(frameMkdir, one{Path: "link/new"}) },
		"remove through": func(s *stream) { s.value(frameRemove, one{Path: "link/victim"}) },
		"remove link":    func(s *stream) { s.value(frameRemove, one{Path: "link"}) },
		"mkdir over":     func(s *stream) { s.value(frameMkdir, one{Path: "link"}).whole("link/victim", "mine") },
		"meta of link":   func(s *stream) { s.value(frameMeta, file{Path: "vlink", Meta: m}) },
		"dir meta":       func(s *stream) { s.value(frameDirMeta, file{Path: "link", Meta: m}) },
		"meta through":   func(s *stream) { s.value(frameMeta, file{Path: "link/victim", Meta: m}) },
		"rename out":     func(s *stream) { s.whole("f", "x").value(frameRename, move{From: "f", To: "link/new"}) },
		"rename in":      func(s *stream) { s.value(frameRename, move{From: "link/victim", To: "f"}) },
		"link in": func(s *stream) {
			s.value(frameLink, move{From: "link/victim", To: "f"}).value(frameMeta, file{Path: "f", Meta: m})
		},
		"link of link": func(s *stream) {
			s.value(frameLink, move{From: "vlink", To: "f"}).value(frameMeta, file{Path: "f", Meta: m})
		},
		"stash in": func(s *stream) {
			s.value(frameStash, move{ID: 1, From: "link/victim"}).value(framePlace, move{ID: 1, To: "f"})
		},
		"place out": func(s *stream) {
			s.value(frameStash, move{ID: 1, From: "vlink"}).value(framePlace, move{ID: 1, To: "link/new"})
		},
		"stage swapped": func(s *stream) { // the stage exists from here on
			s.whole("f", "x").value(frameRename, move{From: "link", To: "moved"}).whole("moved/victim", "gone")
		},
	} {
		root, outside, check := walled(t)
		s := forge(t).value(frameSymlink, file{Path: "link", Meta: meta{}, Target: outside})
		s.value(frameSymlink, file{Path: "vlink", Meta: meta{}, Target: filepath.Join(outside, "victim")})
		add(s)
		err := s.receive(root)
		t.Logf("%s: %v", name, err)
		check()
		if list, _ := filepath.Glob(filepath.Join(root, stagePrefix+"*")); len(list) > 0 {
			t.Errorf("%s: the stage was left behind", name)
		}
	}
}

func TestHostileFrames(t *testing.T) {
	m := meta{Mode: 0o600}
	for name, s := range map[string]*stream{
		"data first":       forge(t).data(0, "x"),
		"done first":       forge(t).value(frameDone, done{Keep: true}),
		"beyond the end":   forge(t).value(frameFile, file{Path: "f", Meta: m, Size: 3}).data(2, "xx"),
		"backwards":        forge(t).value(frameFile, file{Path: "f", Meta: m, Size: 9}).data(4, "xx").data(0, "xx"),
		"negative":         forge(t).value(frameFile, file{Path: "f", Meta: m, Size: 9}).data(-1, "x"),
		"negative size":    forge(t).value(frameFile, file{Path: "f", Meta: m, Size: -1}),
		"file in file":     forge(t).value(frameFile, file{Path: "f", Meta: m, Size: 9}).value(frameFile, file{Path: "g", Meta: m}),
		"end in file":      forge(t).value(frameFile, file{Path: "f", Meta: m, Size: 9}),
		"whole in file":    forge(t).value(frameFile, file{Path: "f", Meta: m, Size: 9}).whole("g", "x"),
		"trusted xattr":    forge(t).value(frameSymlink, file{Path: "f", Target: "t", Meta: meta{Xattrs: []Xattr{{Name: "security.capability"}}}}),
		"long xattr":       forge(t).value(frameFifo, file{Path: "f", Meta: meta{Xattrs: []Xattr{{Name: "user.x", Value: make([]byte, MaxXattr+1)}}}}),
		"time":             forge(t).value(frameFifo, file{Path: "f", Meta: meta{Nsec: 1e9}}),
		"empty target":     forge(t).value(frameSymlink, file{Path: "f"}),
		"another greeting": forge(t).value(frameHello, hello{Version: version, Stage: stagePrefix + "1"}),
		"negative totals":  forge(t).value(frameTotals, totals{Files: 1, Bytes: -1}),
		"unknown":          forge(t).value(77, done{}),
		"not CBOR":         forge(t).value(frameMkdir, "x"),
	} {
		root := disk(t)
		if err := s.receive(root); !errors.Is(err, ErrStream) {
			t.Errorf("%s: %v", name, err)
		}
		if list, _ := os.ReadDir(root); len(list) > 0 {
			t.Errorf("%s: left %v", name, list)
		}
	}
	huge := forge(t)
	must(t, huge.w.w.Flush())
	huge.b.Write([]byte{byte(frameMkdir), 0xff, 0xff, 0xff, 0xff})
	if _, err := Receive(context.Background(), disk(t), &huge.b, ReceiveOptions{}); !errors.Is(err, ErrStream) {
		t.Errorf("a frame of 4 GB: %v", err)
	}
	if err := forge(t).value(frameMkdir, one{Path: "no/parent"}).receive(disk(t)); !errors.Is(err, ErrBase) {
		t.Errorf("no parent: %v", err)
	}
	if err := forge(t).value(frameLink, move{From: "no", To: "f"}).receive(disk(t)); !errors.Is(err, ErrBase) {
		t.Errorf("nothing to link to: %v", err)
	}
}

// FuzzReceive: whatever the stream, nothing outside the root changes, and no stage stays.
func FuzzReceive(f *testing.F) {
	src := disk(f)
	write(f, filepath.Join(src, "d/e/f"), strings.Repeat("content", 10))
	write(f, filepath.Join(src, "large"), "in frames, because of the hole behind it")
	must(f, os.Truncate(filepath.Join(src, "large"), 1<<16))
	must(f, os.Symlink("/etc", filepath.Join(src, "link")), os.Link(filepath.Join(src, "large"), filepath.Join(src, "hard")), unix.Mkfifo(filepath.Join(src, "p"), 0o600))
	var honest bytes.Buffer
	if _, _, err := Send(context.Background(), src, nil, &honest, SendOptions{}); err != nil {
		f.Fatal(err)
	}
	f.Add(honest.Bytes())
	s := forge(f).value(frameSymlink, file{Path: "l", Target: "../outside"}).whole("l/victim", "x").value(frameRemove, one{Path: "l/dir"})
	must(f, s.w.w.Flush())
	f.Add(s.b.Bytes())
	s = forge(f).whole("a", "x").value(frameMkdir, one{Path: "d"}).value(frameStash, move{ID: 3, From: "d"}).value(framePlace, move{ID: 3, To: "a"}).
		value(frameLink, move{From: "a", To: "b"}).value(frameRename, move{From: "a", To: "d/a"}).value(frameDirMeta, file{Path: "d", Meta: meta{Mode: 0o755}})
	must(f, s.w.w.Flush())
	f.Add(s.b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		root, _, check := walled(t)
		if _, err := Receive(context.Background(), root, bytes.NewReader(data), ReceiveOptions{}); err != nil && strings.Contains(err.Error(), root+"/") {
			t.Errorf("the error %v names what is not an object of the stream", err)
		}
		check()
		if list, _ := filepath.Glob(filepath.Join(root, stagePrefix+"*")); len(list) > 0 {
			t.Errorf("left %q", list)
		}
	})
}

// FuzzListing: whatever the bytes, a listing that is accepted is a tree, and travels unchanged.
func FuzzListing(f *testing.F) {
	src := disk(f)
	write(f, filepath.Join(src, "d/e/f"), "x")
	l, _, err := Scan(context.Background(), src, ScanOptions{})
	must(f, err)
	var b bytes.Buffer
	if _, err := l.WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ReadListing(bytes.NewReader(data), 1000)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := l.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		back, err := ReadListing(&out, 2000)
		if err != nil || back.Len() != l.Len() {
			t.Fatalf("%v: %d of %d entries", err, back.Len(), l.Len())
		}
		l.Walk(func(path string, _ Entry) {
			if !validPath(path) {
				t.Errorf("path %q", path)
			}
		})
		diff(l, &Listing{}, nil)
		diff(&Listing{}, l, nil)
	})
}
