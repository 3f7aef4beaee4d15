//go:build linux

package real

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux/testbed"
	"github.com/stopover/stopover/schema"
)

const (
	many      = 1000    // accounts
	each      = 50      // files of each
	elsewhere = 300_000 // further files, in the first account
)

// BenchmarkSurvey looks at one host with 1,000 accounts of 50 files and 300,000
// further files, over SSH, beside find over the same tree on the host and one
// `ssh host du` for each account. Round trips are those by which a delay of 20 ms
// each way makes the survey longer.
func BenchmarkSurvey(b *testing.B) {
	testbed.Need(b)
	dir := b.TempDir()
	if err := buildAgent(b.Context(), dir); err != nil {
		b.Fatal(err)
	}
	b.Setenv("STOPOVER_AGENT_DIR", dir)
	bed := testbed.New(b, testbed.Options{Hosts: []testbed.HostOptions{{Name: "client", Release: "bookworm"}}})
	h := bed.Host("client")
	fill(b, h)
	s := open(b, bed, h, nil, nil)
	look := func() time.Duration {
		began := time.Now()
		found, err := s.Survey(b.Context(), providers.SurveyOptions{Refresh: true})
		if err != nil || found.Presence != schema.Present || len(found.Accounts) != many || found.Accounts[0].Files.Entries < elsewhere {
			b.Fatalf("survey: %v, %+v", err, found)
		}
		return time.Since(began)
	}
	find := func() time.Duration {
		began := time.Now()
		if _, err := h.Run(b.Context(), "sh", "-c", `find /home -printf '%s\n' | wc -l`); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	look() // the agent is put there, and what can be cached is
	find()
	var looked, found time.Duration
	for b.Loop() {
		looked += look()
		found += find()
	}
	b.StopTimer()
	n := time.Duration(b.N)
	b.ReportMetric((looked / n).Seconds(), "s/survey")
	b.ReportMetric((found / n).Seconds(), "s/find")
	b.ReportMetric(float64(looked)/float64(found), "x-find")
	du := eachDu(b, bed, h)
	b.ReportMetric(du.Seconds(), "s/ssh-du-each")
	b.ReportMetric(float64(looked/n)/float64(du), "x-ssh-du-each")
	const delay = 20 * time.Millisecond
	near := min(look(), look())
	if err := h.Latency(b.Context(), delay); err != nil {
		b.Fatal(err)
	}
	far := min(look(), look())
	fresh := open(b, bed, h, nil, nil) // with dialling and login
	began := time.Now()
	if _, err := fresh.Survey(b.Context(), providers.SurveyOptions{Refresh: true}); err != nil {
		b.Fatal(err)
	}
	dialled := time.Since(began)
	b.ReportMetric(max(0, (far-near).Seconds()/(2*delay).Seconds()), "round-trips")
	b.ReportMetric(max(0, (dialled-near).Seconds()/(2*delay).Seconds()), "round-trips-with-login")
	here, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(peak(here))/(1<<20), "MB-peak-here")
	b.ReportMetric(float64(peak(agentStatus(b, h)))/(1<<20), "MB-peak-agent")
}

// agentStatus is what the host's kernel says of the agent, which stays as long
// as its connection.
func agentStatus(b *testing.B, h *testbed.Host) []byte {
	b.Helper()
	ps, err := h.Processes()
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range ps {
		if strings.Contains(p.Argv[0], "stopover-agent") {
			if status, err := os.ReadFile(fmt.Sprintf("%s/proc/%d/status", h.Root(), p.PID)); err == nil {
				return status
			}
		}
	}
	b.Fatal("no agent runs")
	return nil
}

// fill makes the accounts below the host's root.
func fill(b *testing.B, h *testbed.Host) {
	b.Helper()
	var passwd strings.Builder
	for i := range many {
		name := fmt.Sprintf("u%04d", i)
		fmt.Fprintf(&passwd, "%s:x:%d:%d::/home/%s:/bin/sh\n", name, 2000+i, 2000+i, name)
		files := each
		if i == 0 {
			files += elsewhere
		}
		home := filepath.Join(h.Root(), "home", name)
		for k := range files {
			sub := filepath.Join(home, fmt.Sprintf("d%d", k/100))
			if k%100 == 0 {
				if err := os.MkdirAll(sub, 0o755); err != nil {
					b.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%d.dat", k)), []byte("content\n"), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	f, err := os.OpenFile(filepath.Join(h.Root(), "etc/passwd"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := f.WriteString(passwd.String()); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// eachDu is what a script would do; a tenth of the accounts stands for all.
func eachDu(b *testing.B, bed *testbed.Bed, h *testbed.Host) time.Duration {
	b.Helper()
	const part = 10
	began := time.Now()
	for i := 0; i < many; i += part {
		c := exec.CommandContext(b.Context(), "ssh", "-F", "none", "-i", bed.KeyFile(), "-o", "UserKnownHostsFile="+bed.KnownHosts(), "root@"+h.Address().String(),
			fmt.Sprintf("du -s /home/u%04d", i))
		if out, err := c.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	return time.Since(began) * part
}

// peak is the largest resident size that a process's status tells, in bytes.
func peak(status []byte) int64 {
	var kb int64
	for _, line := range strings.Split(string(status), "\n") {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			break
		}
	}
	return kb << 10
}
