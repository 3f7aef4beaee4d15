package apply

import (
	"context"
	"fmt"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// runtimeOf finds the runtime that a step is about: its object is "name version".
func runtimeOf(s *plan.Step) (schema.Runtime, error) {
	if len(s.Objects) == 1 {
		if i := strings.LastIndexByte(s.Objects[0], ' '); i > 0 && i < len(s.Objects[0])-1 {
			return schema.Runtime{Name: s.Objects[0][:i], Version: s.Objects[0][i+1:]}, nil
		}
	}
	return schema.Runtime{}, fmt.Errorf("the step names no runtime: %q", s.Objects)
}

func (x *run) removeRuntime(ctx context.Context, s *plan.Step) (done, error) {
	on, rt, err := x.runtime(s)
	if err != nil {
		return done{}, err
	}
	if err := on.can.Runtimes.RemoveRuntime(ctx, on.term, rt); err != nil {
		return done{}, fmt.Errorf("remove %s %s from server %s: %w", rt.Name, rt.Version, schema.QuoteName(on.name), err)
	}
	f := x.fact(schema.FactRuntime, schema.FactRuntime+"/"+escape(rt.Name)+"/"+escape(rt.Version), rt)
	f.Server = on.name
	return done{}, x.remember(f)
}

func (x *run) restoreRuntime(ctx context.Context, s *plan.Step) (done, error) {
	on, rt, err := x.runtime(s)
	if err != nil {
		return done{}, err
	}
	if err := on.can.Runtimes.RestoreRuntime(ctx, on.term, rt); err != nil {
		return done{}, fmt.Errorf("put %s %s back on server %s: %w", rt.Name, rt.Version, schema.QuoteName(on.name), err)
	}
	return done{}, nil
}

func (x *run) runtime(s *plan.Step) (*server, schema.Runtime, error) {
	rt, err := runtimeOf(s)
	if err != nil {
		return nil, rt, err
	}
	on, err := x.server(s.Server)
	if err != nil {
		return nil, rt, err
	}
	if on.can.Runtimes == nil {
		return nil, rt, on.cannot(schema.CanRemoveRuntimes)
	}
	return on, rt, nil
}
