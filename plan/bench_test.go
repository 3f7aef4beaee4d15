package plan

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stopover/stopover/schema"
)

// benchWorld has accounts of about 30 objects each, at the very beginning.
func benchWorld(n int) *world {
	w := smallWorld()
	w.s.Accounts = make([]*schema.FoundAccount, n)
	for i := range n {
		name := fmt.Sprintf("cust-%06d", i)
		a := &schema.FoundAccount{Name: name, Owner: schema.Ownership{State: schema.StateUnmanaged, Serves: true},
			Files: schema.Files{Bytes: int64(i) << 20, Entries: int64(i) * 10}, Mail: schema.Mail{Messages: 500, Bytes: 5 << 20}}
		for k := range 3 {
			a.Domains = append(a.Domains, schema.Domain{Name: fmt.Sprintf("d%d.%s.example.org", k, name), DNS: "external"})
		}
		for k := range 10 {
			a.Mail.Mailboxes = append(a.Mail.Mailboxes, fmt.Sprintf("user%d@d0.%s.example.org", k, name))
		}
		for k := range 5 {
			a.Databases = append(a.Databases, schema.Database{Engine: "sqlite", Name: fmt.Sprintf("%s_%d.sqlite", name, k), Bytes: 30 << 20, Mode: "wal"})
		}
		for k := range 4 {
			a.Programs = append(a.Programs, schema.Program{Name: fmt.Sprintf("site%d", k), Runtime: "php 8.2"})
			a.Tasks = append(a.Tasks, schema.Task{Name: fmt.Sprintf("task%d", k), Schedule: "0 3 * * *"})
			a.Runtimes = append(a.Runtimes, schema.RuntimeUse{Name: "php", Version: "8.2", By: fmt.Sprintf("program site%d", k)})
		}
		w.s.Accounts[i] = a
	}
	return w
}

// BenchmarkCompute is from an inventory to an encoded plan: the whole journey of
// every account, out and home.
func BenchmarkCompute(b *testing.B) {
	for _, n := range []int{1000, 10000, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := benchWorld(n)
			in := Input{Config: w.cfg, Inventory: &schema.Inventory{Servers: map[string]*schema.FoundServer{w.s.Name: w.s, w.t.Name: w.t}}, Now: w.now}
			b.ReportAllocs()
			steps, size, before := 0, 0, cpu()
			for b.Loop() {
				p, err := Compute(in)
				if err != nil {
					b.Fatal(err)
				}
				out, err := Encode(p)
				if err != nil {
					b.Fatal(err)
				}
				steps, size = len(p.Steps), len(out)
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op") // means something on a busy machine too
			b.ReportMetric(float64(steps)/float64(n), "steps/account")
			b.ReportMetric(float64(size)/float64(n), "encodedB/account")
		})
	}
}

// cpu is the processor time of this process so far, in nanoseconds.
func cpu() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
