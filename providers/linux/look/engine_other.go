//go:build linux

package look

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/stopover/stopover/schema"
)

// other is an engine that this survey does not look into.
type other struct {
	name      string
	processes []string // names of its daemon, as the kernel tells them
	data      []string
}

func others() []other {
	return []other{
		{"cassandra", nil, []string{"/var/lib/cassandra"}},
		{"clickhouse", []string{"clickhouse-serv"}, []string{"/var/lib/clickhouse"}},
		{"couchdb", nil, []string{"/var/lib/couchdb", "/opt/couchdb/data"}},
		{"elasticsearch", nil, []string{"/var/lib/elasticsearch"}},
		{"firebird", []string{"firebird"}, []string{"/var/lib/firebird"}},
		{"influxdb", []string{"influxd"}, []string{"/var/lib/influxdb"}},
		{"memcached", []string{"memcached"}, nil},
		{"mongodb", []string{"mongod"}, []string{"/var/lib/mongodb", "/var/lib/mongo"}},
		{"neo4j", nil, []string{"/var/lib/neo4j"}},
		{"opensearch", nil, []string{"/var/lib/opensearch"}},
		{"rabbitmq", nil, []string{"/var/lib/rabbitmq/mnesia"}},
		{"redis", []string{"redis-server"}, []string{"/var/lib/redis"}},
		{"valkey", []string{"valkey-server"}, []string{"/var/lib/valkey"}},
	}
}

// otherEngines names what holds data and is not looked into. A daemon that an
// account runs by itself is that account's program, and no engine of the server.
func (w *world) otherEngines(ctx context.Context) []asked {
	running := w.daemons()
	var out []asked
	for _, o := range others() {
		e := schema.Engine{Name: o.name}
		for _, p := range o.processes {
			e.Running = e.Running || running[p]
		}
		for _, d := range o.data {
			if entries, err := os.ReadDir(w.path(d)); err == nil && len(entries) > 0 {
				e.Data = d
			}
		}
		if !e.Running && e.Data == "" || ctx.Err() != nil {
			continue
		}
		e.Error = "not looked into: " + o.name + " is here, and this survey does not know what accounts have in it: whoever uses it has to move it"
		if !e.Running && len(o.processes) > 0 {
			e.Error = "not looked into: " + o.name + " does not run and has data in " + e.Data + ": whoever uses it has to move it"
		}
		out = append(out, asked{engine: e})
	}
	return out
}

// daemons are the names of the programs that run as users below those of
// accounts.
func (w *world) daemons() map[string]bool {
	out := map[string]bool{}
	entries, _ := os.ReadDir(w.path("/proc"))
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		i, err := e.Info()
		if err != nil {
			continue // it has ended
		}
		st, ok := i.Sys().(*syscall.Stat_t)
		if ok && w.layout.MinUID > 0 && int(st.Uid) >= w.layout.MinUID && !slices.Contains([]uint32{65534}, st.Uid) {
			continue
		}
		if comm, err := os.ReadFile(filepath.Join(w.path("/proc"), e.Name(), "comm")); err == nil {
			out[strings.TrimSpace(string(comm))] = true
		}
	}
	return out
}
