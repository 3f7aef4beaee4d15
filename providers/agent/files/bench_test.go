//go:build linux

package files

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// sample makes files of random sizes that add up to about total bytes.
func sample(b *testing.B, dir string, files int, total int64) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(r.Uint32())
	}
	old := time.Now().Add(-time.Hour)
	mean := total / int64(files)
	for i := range files {
		path := filepath.Join(dir, fmt.Sprintf("d%02d/e%02d/file-%06d.dat", i%40, i/40%25, i))
		if i < 1000 {
			must(b, os.MkdirAll(filepath.Dir(path), 0o755))
		}
		size := int64(r.ExpFloat64() * float64(mean))
		size = min(size, int64(len(block)))
		must(b, os.WriteFile(path, block[:size], 0o644), os.Chtimes(path, old, old))
	}
	must(b, Sync(dir))
}

func rsync(b *testing.B, src, dst string) time.Duration {
	start := time.Now()
	out, err := exec.Command(rsyncBinary(b), "-a", "--delete", src+"/", dst+"/").CombinedOutput()
	if err != nil {
		b.Fatalf("rsync: %v: %s", err, out)
	}
	return time.Since(start)
}

// BenchmarkFirst copies 20,000 files, 1 GB, to an empty place, next to `rsync -a` in the same run, each going first once.
func BenchmarkFirst(b *testing.B) {
	rsyncBinary(b)
	src := disk(b)
	sample(b, src, 20_000, 1<<30)
	var ours, theirs time.Duration
	n := 0
	copies := []func(dst string){
		func(dst string) { theirs += rsync(b, src, dst) },
		func(dst string) {
			start := time.Now()
			_, _, _, err := pass(b, src, dst, nil, SendOptions{})
			must(b, err)
			ours += time.Since(start)
		},
	}
	for b.Loop() {
		for _, i := range []int{0, 1, 1, 0} {
			dst := disk(b)
			must(b, Sync(dst))
			copies[i](filepath.Join(dst, "copy"))
			must(b, os.RemoveAll(dst), Sync(src))
		}
		n += 2
	}
	b.ReportMetric(ours.Seconds()/float64(n), "ours-s")
	b.ReportMetric(theirs.Seconds()/float64(n), "rsync-s")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
}

// BenchmarkNoChange makes a pass over 100,000 files of which none changed, with the base in memory, next to rsync's.
func BenchmarkNoChange(b *testing.B) {
	rsyncBinary(b)
	src, dst := disk(b), filepath.Join(disk(b), "t")
	sample(b, src, 100_000, 100_000*64)
	rsync(b, src, dst)
	held, _, _, err := pass(b, src, dst, nil, SendOptions{})
	must(b, err)
	var ours, theirs time.Duration
	n := 0
	for b.Loop() {
		start := time.Now()
		next, s, _, err := pass(b, src, dst, held, SendOptions{})
		must(b, err)
		if s.Files+s.Dirs+s.Removed+s.Links != 0 {
			b.Fatalf("something changed: %+v", s)
		}
		held = next
		ours += time.Since(start)
		b.StopTimer()
		theirs += rsync(b, src, dst)
		b.StartTimer()
		n++
	}
	b.ReportMetric(float64(ours.Milliseconds())/float64(n), "ours-ms")
	b.ReportMetric(float64(theirs.Milliseconds())/float64(n), "rsync-ms")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
}

// BenchmarkScan lists 100,000 files.
func BenchmarkScan(b *testing.B) {
	src := disk(b)
	sample(b, src, 100_000, 0)
	b.ReportAllocs()
	for b.Loop() {
		if l, _, err := Scan(context.Background(), src, ScanOptions{}); err != nil || l.Len() < 100_000 {
			b.Fatal(l, err)
		}
	}
}
