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

// BenchmarkMachines is the same between two whole machines, of accounts that
// have of everything that is compared.
func BenchmarkMachines(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := benchWorld(n)
			w.t.Presence = schema.Present
			w.s.System, w.t.System = benchMachine(n, 0), benchMachine(n, n)
			for i, a := range w.s.Accounts {
				benchContent(a, i)
			}
			in := Input{Config: w.cfg, Inventory: &schema.Inventory{Servers: map[string]*schema.FoundServer{w.s.Name: w.s, w.t.Name: w.t}}, Now: w.now}
			b.ReportAllocs()
			found, before := 0, cpu()
			for b.Loop() {
				p, err := Compute(in)
				if err != nil {
					b.Fatal(err)
				}
				found = len(p.Findings)
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(found)/float64(n), "findings/account")
		})
	}
}

// benchMachine is a machine with users whose ids begin after shift.
func benchMachine(n, shift int) *schema.System {
	s := &schema.System{OS: "debian-13", Arch: "amd64", Libc: "glibc 2.41", Engines: []schema.Engine{{Name: "mariadb", Version: "11.8", Running: true, Charsets: []string{"utf8mb4_general_ci"}}}}
	for i := range n {
		s.Users = append(s.Users, schema.SysUser{Name: fmt.Sprintf("u%d-%d", shift, i), UID: 100000 + shift + i})
		s.Groups = append(s.Groups, schema.SysGroup{Name: fmt.Sprintf("u%d-%d", shift, i), GID: 100000 + shift + i})
	}
	for i := range 2000 {
		s.Libraries = append(s.Libraries, fmt.Sprintf("lib%d.so.%d", i, shift))
		s.Packages = append(s.Packages, schema.Software{Name: fmt.Sprintf("tool-%c%c%c", 'a'+i%26, 'a'+i/26%26, 'a'+i/676), Version: "1"})
	}
	s.Programs = []schema.Software{{Name: fmt.Sprintf("python3.%d", 11+min(shift, 2))}, {Name: "perl", Version: "5.36"}}
	return s
}

func benchContent(a *schema.FoundAccount, i int) {
	a.UID = 100000 + i
	a.User = &schema.User{GID: a.UID, Group: a.Name, Home: "/home/" + a.Name, HomeUID: a.UID, Groups: []string{"www-data"}, Shell: "/bin/zsh"}
	for k := range 20 {
		a.Lines = append(a.Lines, schema.Line{Kind: "shebang", Path: fmt.Sprintf("bin/%d", k), Line: 1, What: "/usr/bin/python3.11", Note: "python 3.11"},
			schema.Line{Kind: "localhost-service", Path: ".env", Line: k, What: "redis", Note: fmt.Sprintf("127.0.0.1:%d", 6379+k)})
	}
	for k := range 5 {
		a.Binaries = append(a.Binaries, schema.Binary{Path: fmt.Sprintf("lib/%d.so", k), Arch: "amd64", Needs: []string{"lib1.so.0", "lib2.so.0"}})
		a.Environments = append(a.Environments, schema.Environment{Kind: "venv", Path: fmt.Sprintf("venv%d", k), Runtime: "python", Version: "3.11.2", Home: "/usr/bin"})
		d := schema.Database{Engine: "mariadb", Name: fmt.Sprintf("%s_%d", a.Name, k), Version: "10.11", Detail: &schema.ObjectDetail{}}
		for t := range 50 {
			d.Detail.Tables = append(d.Detail.Tables, schema.Table{Name: fmt.Sprintf("t%d", t), Engine: "InnoDB", Collation: "utf8mb4_general_ci", Key: "primary"})
		}
		a.Databases = append(a.Databases, d)
	}
	a.DatabaseUsers = []schema.DatabaseUser{{Engine: "mariadb", Name: a.Name, Host: "localhost", Grants: []string{"GRANT ALL ON `" + a.Name + "`.* TO x"}}}
	a.Ports = []schema.Port{{Protocol: "tcp", Address: "127.0.0.1", Port: 10000 + i%50000, UID: a.UID}}
}
