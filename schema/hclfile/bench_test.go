package hclfile_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stopover/stopover/schema/hclfile"
)

// csvConfig is a configuration whose accounts stand in a file of n lines.
func csvConfig(n int) map[string][]byte {
	var rows strings.Builder
	rows.WriteString("name,after,downtime_budget,window,contact,language\n")
	for i := range n {
		after := ""
		if i > 0 {
			after = fmt.Sprintf("cust-%d", i-1)
		}
		fmt.Fprintf(&rows, "cust-%d,%s,%ds,night,owner-%d@example.org,fr\n", i, after, 5+i%60, i)
	}
	return map[string][]byte{"accounts.csv": []byte(rows.String()), "main.stopover.hcl": []byte(`
server "client" {}
server "transit" {}
window "night" {
  from     = "01:00"
  to       = "05:00"
  timezone = "Europe/Paris"
}
migration "spring" {
  process = "direct"
  source  = server.client
  transit = server.transit
  accounts { from = csvdecode(file("accounts.csv")) }
}
`)}
}

// dynamicConfig makes n accounts by a dynamic block.
func dynamicConfig(n int) map[string][]byte {
	files := csvConfig(n)
	files["main.stopover.hcl"] = []byte(strings.Replace(string(files["main.stopover.hcl"]),
		`  accounts { from = csvdecode(file("accounts.csv")) }`, `  dynamic "account" {
    for_each = csvdecode(file("accounts.csv"))
    labels   = [account.value.name]
    content {
      downtime_budget = account.value.downtime_budget
      window          = window[account.value.window]
      contact         = account.value.contact
    }
  }`, 1))
	return files
}

// BenchmarkParseCSV reads accounts from a list, the aim for 10,000 being a
// second. "live" is what the configuration keeps, in bytes.
func BenchmarkParseCSV(b *testing.B) {
	for name, files := range map[string]func(int) map[string][]byte{"from": csvConfig, "dynamic": dynamicConfig} {
		for _, n := range []int{1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				files := files(n)
				b.ReportAllocs()
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				for b.Loop() {
					cfg, diags := hclfile.ParseFiles(files, hclfile.Options{})
					if diags.HasErrors() || len(cfg.Migration.Accounts) != n {
						b.Fatal(text(diags))
					}
					b.StopTimer()
					runtime.GC()
					runtime.ReadMemStats(&after)
					runtime.KeepAlive(cfg)
					b.StartTimer()
				}
				b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)), "live-B")
			})
		}
	}
}
