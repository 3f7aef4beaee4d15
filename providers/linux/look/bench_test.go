//go:build linux

package look

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// crowd fills a server: accounts of 50 files each as PHP applications have
// them, and further files in one more.
func crowd(s *server, accounts, further int) {
	code := "<?php\nclass Thing {\n" + strings.Repeat("    public function get($name) { return $this->values[$name] ?? null; }\n", 30) + "}\n"
	for i := range accounts {
		name := fmt.Sprintf("a%04d", i)
		home := "/home/" + name
		s.user(name, 2000+i, home)
		s.put(home+"/www/wp-config.php", "<?php\ndefine('DB_HOST', 'localhost');\ndefine('DB_NAME', 'x');\n")
		s.put(home+"/www/.htaccess", "RewriteEngine On\nOrder allow,deny\n")
		s.runs(home+"/bin/job", "#!/usr/bin/python3.11\nprint(1)\n")
		for k := range 17 {
			s.put(fmt.Sprintf("%s/www/lib%d/file%d.php", home, k%4, k), code)
		}
		for k := range 20 {
			s.put(fmt.Sprintf("%s/www/img/picture%d.jpg", home, k), code)
		}
		for k := range 10 {
			s.put(fmt.Sprintf("%s/Maildir/cur/%d.M1P1.host:2,S", home, k), "From: x\n\nhello\n")
		}
	}
	s.user("store", 1999, "/home/store")
	for i := range further {
		s.put(fmt.Sprintf("/home/store/data/%03d/%05d.bin", i/1000, i), "x")
	}
}

// BenchmarkLook surveys 1,000 accounts of 50 files and 300,000 further files, in
// turn with a bare find over the same tree. x-find is how many times as long the
// survey took, x-find-cpu how many times the processor time, which says more on a
// machine that others use.
func BenchmarkLook(b *testing.B) {
	s := newServer(b)
	crowd(s, 1000, 300_000)
	s.put("/etc/passwd", s.passwd.String())
	m := &Machine{Root: s.root}
	q := agent.LookRequest{Layout: s.layout, Names: []string{"web1.example.net", "192.0.2.10"}}
	var bare, whole, bareCPU, wholeCPU time.Duration
	var peak uint64
	for b.Loop() {
		find := exec.Command("find", s.path("/home"))
		began := time.Now()
		if err := find.Run(); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(began)
		bareCPU += find.ProcessState.UserTime() + find.ProcessState.SystemTime()
		began, used := time.Now(), cpu(b)
		if _, err := m.Look(context.Background(), q, func(*schema.FoundAccount) error { return nil }, nil); err != nil {
			b.Fatal(err)
		}
		whole += time.Since(began)
		wholeCPU += cpu(b) - used
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		peak = max(peak, mem.HeapSys)
	}
	b.ReportMetric(float64(whole)/float64(bare), "x-find")
	b.ReportMetric(float64(wholeCPU)/float64(bareCPU), "x-find-cpu")
	b.ReportMetric(float64(bare.Milliseconds())/float64(b.N), "find-ms")
	b.ReportMetric(float64(bareCPU.Milliseconds())/float64(b.N), "find-cpu-ms")
	b.ReportMetric(float64(peak)/1e6, "heap-MB")
}

// cpu is the processor time of this process.
func cpu(b *testing.B) time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
