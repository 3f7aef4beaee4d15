package sqlite

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkCut measures the downtime that a database in use costs: final,
// transfer through a pipe, replay, sync and comparison. It must not depend on
// the size. The precopy, outside the cut, is reported too.
//
//	go test -run xxx -bench Cut -benchtime 3x ./providers/local/sqlite
func BenchmarkCut(b *testing.B) {
	for _, mb := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("%dMB", mb), func(b *testing.B) {
			m := newMove(b, "app.db")
			m.create("wal", 1)
			db := openDB(b, m.src)
			for _, q := range []string{
				"PRAGMA synchronous=OFF",
				fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d) INSERT INTO other SELECT randomblob(100000) FROM n", mb*10),
			} {
				if _, err := db.Exec(q); err != nil {
					b.Fatal(err)
				}
			}
			db.Close()
			m.open()
			m.pass()
			var sum Stats
			var cut, compare, warmTime time.Duration
			var hashed int64
			for b.Loop() {
				b.StopTimer()
				m.s.Close()
				clean := openDB(b, m.src)
				if _, err := clean.Exec("DELETE FROM acks"); err != nil {
					b.Fatal(err)
				}
				clean.Close()
				m.open()
				w := startWriter(b, m.src, "paced", 1)
				w.more(b, 20)
				m.base = Manifest{}
				m.pass()
				began := time.Now()
				warm := m.warm()
				warmTime += time.Since(began)
				w.more(b, 200)
				m.catchUp()
				w.more(b, 20)
				w.kill()
				b.StartTimer()
				began = time.Now()
				r, got := m.run(m.s.Final, m.base.Brief())
				done := time.Since(began)
				began = time.Now()
				v, c := m.compare(warm)
				compare += time.Since(began)
				cut += done
				if !v.Equal || c.Whole || len(r.Notes) != 0 {
					b.Fatalf("equal %v, whole %v, notes %q", v.Equal, c.Whole, r.Notes)
				}
				hashed += c.Hashed
				sum.BytesSent += r.Stats.BytesSent
				sum.WALBytes += r.Stats.WALBytes
				sum.Replay += got.Stats.Replay
				sum.Sync += got.Stats.Sync
			}
			n := float64(b.N)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / n }
			b.ReportMetric(ms(cut), "final-ms")
			b.ReportMetric(ms(sum.Replay), "replay-ms")
			b.ReportMetric(ms(sum.Sync), "sync-ms")
			b.ReportMetric(ms(compare), "compare-ms")
			b.ReportMetric(ms(warmTime), "warm-ms")
			b.ReportMetric(float64(sum.BytesSent)/n/1024, "sent-KiB")
			b.ReportMetric(float64(sum.WALBytes)/n/1024, "wal-KiB")
			b.ReportMetric(float64(hashed)/n/1024, "hashed-KiB")
		})
	}
}

// BenchmarkPass measures a first pass and one in which nothing differs.
func BenchmarkPass(b *testing.B) {
	m := newMove(b, "app.db")
	m.create("wal", 1)
	db := openDB(b, m.src)
	if _, err := db.Exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000) INSERT INTO other SELECT randomblob(100000) FROM n"); err != nil {
		b.Fatal(err)
	}
	db.Close()
	m.open()
	m.pass()
	size := m.base.DB.Size
	b.Run("first", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			m.run(m.s.Pass, Manifest{})
		}
	})
	b.Run("nothing", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			b.StopTimer()
			m.base = Manifest{}
			m.manifest()
			b.StartTimer()
			m.run(m.s.Pass, m.base)
		}
	})
}
