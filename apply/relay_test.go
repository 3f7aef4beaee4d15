package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// relaying is a machine that can only dump and load.
type relaying struct {
	*machine
	dump func(d schema.Database, w io.Writer) error
	load func(d schema.Database, r io.Reader) (schema.TriedDatabase, error)
}

func (m *relaying) Abilities() providers.Abilities {
	a := m.machine.Abilities()
	a.Copier, a.Trier, a.Dumper, a.Loader = nil, nil, m, m
	return a
}

func (m *relaying) Dump(_ context.Context, _ string, d schema.Database, w io.Writer) (providers.Dumped, error) {
	return providers.Dumped{Warnings: []string{"seen while it was dumped"}}, m.dump(d, w)
}

func (m *relaying) TryDump(_ context.Context, _ string, d schema.Database, r io.Reader) (schema.TriedDatabase, error) {
	return m.load(d, r)
}

func write(d schema.Database, w io.Writer) error {
	_, err := io.WriteString(w, strings.Repeat(d.Name, 100_000))
	return err
}

func read(d schema.Database, r io.Reader) (schema.TriedDatabase, error) {
	n, err := io.Copy(io.Discard, r)
	return schema.TriedDatabase{Bytes: n, Rows: n / int64(len(d.Name))}, err
}

func relayOf(t *testing.T, databases ...schema.Database) (*trip, *relaying, func(objects ...string) (Result, error)) {
	j, m := memoryTrip(t, "shop")
	lab := j.w.machine("lab")
	lab.present, lab.known, lab.id = true, true, "m00"
	j.config.Servers = append(j.config.Servers, schema.Server{Name: "lab", Provider: "memory"})
	j.config.Migration.Trial = "lab"
	on := &relaying{lab, write, read}
	return j, on, func(objects ...string) (Result, error) {
		inv := j.inventory()
		inv.Servers["client"].Account("shop").Databases = databases
		inv.Servers["lab"] = lab.found()
		inv.Servers["lab"].Engines = []schema.EngineOffer{{Name: "mariadb", Version: "11.8.3"}, {Name: "postgresql", Version: "17.6"}}
		r := j.runner(m, inv)
		r.Servers["client"], r.Servers["lab"] = &relaying{j.w.source, on.dump, on.load}, on
		return r.Run(context.Background(), planOf(j, plan.Step{ID: "prepare.try_databases[shop]@0", Op: plan.OpTrial, Account: "shop", Phase: "prepare",
			Part: plan.PartDatabases, Server: "lab", From: "client", To: "lab", Objects: objects}))
	}
}

func (j *trip) trial(t *testing.T, id string) schema.TrialFact {
	t.Helper()
	f, ok := j.fact(id)
	var v schema.TrialFact
	if !ok || json.Unmarshal(f.Value, &v) != nil {
		t.Fatalf("no fact %s", id)
	}
	return v
}

// What one server dumps the other one loads, and each engine's result is
// remembered with the version that it was had on.
func TestRelay(t *testing.T) {
	j, _, run := relayOf(t, schema.Database{Engine: "mariadb", Name: "shop_1", Bytes: 500}, schema.Database{Engine: "mariadb", Name: "old"}, schema.Database{Engine: "postgresql", Name: "app", Bytes: 9})
	if _, err := run("mariadb/shop_1", "postgresql/app"); err != nil {
		t.Fatal(err)
	}
	my, pg := j.trial(t, "trial/shop/lab/1"), j.trial(t, "trial/shop/lab/2")
	if my.Engine != "mariadb" || my.Version != "11.8.3" || len(my.Databases) != 1 || my.Databases[0].Rows != 100_000 || my.Databases[0].Engine != "mariadb" || my.Databases[0].Name != "shop_1" || my.Server != "lab" {
		t.Errorf("%+v", my)
	}
	if pg.Engine != "postgresql" || pg.Version != "17.6" || pg.Databases[0].Bytes != 300_000 || strings.Join(pg.Databases[0].Warnings, ",") != "seen while it was dumped" {
		t.Errorf("%+v", pg)
	}
}

// What is wrong is said of whom it is wrong with, and what was found before a
// fault is not lost.
func TestRelayFails(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		dump func(schema.Database, io.Writer) error
		load func(schema.Database, io.Reader) (schema.TriedDatabase, error)
		want string
	}{
		"the dump": {dump: func(d schema.Database, w io.Writer) error { _ = write(d, w); return broken }, want: "dump it on server client: broken"},
		"the load": {load: func(schema.Database, io.Reader) (schema.TriedDatabase, error) { return schema.TriedDatabase{}, broken }, want: "on server lab: broken"},
		"an early answer": {load: func(schema.Database, io.Reader) (schema.TriedDatabase, error) {
			return schema.TriedDatabase{Errors: []string{"line 1: no such collation"}}, nil
		}, want: "would not arrive on server lab: line 1: no such collation"},
		"half a dump": {load: func(schema.Database, io.Reader) (schema.TriedDatabase, error) { return schema.TriedDatabase{}, nil }, want: "only a part"},
	} {
		t.Run(name, func(t *testing.T) {
			j, on, run := relayOf(t, schema.Database{Engine: "mariadb", Name: "good"}, schema.Database{Engine: "mariadb", Name: "bad"})
			on.dump = func(d schema.Database, w io.Writer) error {
				if d.Name == "bad" && c.dump != nil {
					return c.dump(d, w)
				}
				return write(d, w)
			}
			on.load = func(d schema.Database, r io.Reader) (schema.TriedDatabase, error) {
				if d.Name == "bad" && c.load != nil {
					return c.load(d, r)
				}
				return read(d, r)
			}
			_, err := run()
			if ExitCode(err) != ExitError || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if f := j.trial(t, "trial/shop/lab/1"); f.Databases[0].Name != "good" || f.Databases[0].Rows != 100_000 {
				t.Errorf("%+v", f)
			}
		})
	}
}

// dumperFunc is a server that can only dump.
type dumperFunc func(ctx context.Context, w io.Writer) error

func (f dumperFunc) Dump(ctx context.Context, _ string, _ schema.Database, w io.Writer) (providers.Dumped, error) {
	return providers.Dumped{}, f(ctx, w)
}

// An answer may come while the origin is stuck before it writes again: it is told
// to stop, and that is no fault of its dump.
func TestRelayOriginStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := schema.TriedDatabase{Errors: []string{"line 1: no such collation"}}
		stuck := dumperFunc(func(ctx context.Context, w io.Writer) error {
			_, _ = io.WriteString(w, "x")
			<-ctx.Done()
			return fmt.Errorf("stream: %w", ctx.Err())
		})
		on := &relaying{load: func(_ schema.Database, r io.Reader) (schema.TriedDatabase, error) {
			_, err := r.Read(make([]byte, 1))
			return answer, err
		}}
		one := func(d providers.Dumper) (schema.TriedDatabase, error) {
			return relayOne(t.Context(), "shop", schema.Database{Name: "a"}, &server{name: "client", can: providers.Abilities{Dumper: d}}, &server{name: "lab", can: providers.Abilities{Loader: on}}, func(int64) {})
		}
		if out, err := one(stuck); err != nil || len(out.Errors) != 1 {
			t.Errorf("%+v %v", out, err)
		}
		slow := dumperFunc(func(_ context.Context, w io.Writer) error {
			_, _ = io.WriteString(w, "x")
			time.Sleep(afterAnswer / 2)
			return errors.New("the disk is broken")
		})
		if _, err := one(slow); err == nil || !strings.Contains(err.Error(), "the disk is broken") {
			t.Errorf("a fault that was none of the end's: %v", err)
		}
		answer.Errors = nil
		if _, err := one(stuck); err == nil || !strings.Contains(err.Error(), "only a part of the dump") {
			t.Errorf("half a dump without a fault: %v", err)
		}
	})
}
