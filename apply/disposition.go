package apply

import (
	"context"
	"fmt"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// disposeResidue carries, archives or discards one thing that no account owns.
func (x *run) disposeResidue(ctx context.Context, s *plan.Step) (done, error) {
	on, path, err := x.residue(s)
	if err != nil {
		return done{}, err
	}
	ref, err := on.can.Disposer.DisposeResidue(ctx, on.term, path, s.Method)
	if err != nil {
		return done{}, fmt.Errorf("%s %s on server %s: %w", s.Method, schema.QuoteName(path), schema.QuoteName(on.name), err)
	}
	f := x.fact(schema.FactDisposed, plan.DisposedResidueID(path), plan.DisposedFact{Action: s.Method, Ref: ref})
	f.Server = on.name
	return done{}, x.remember(f)
}

// placeResidue puts a carried thing on the new machine.
func (x *run) placeResidue(ctx context.Context, s *plan.Step) (done, error) {
	on, path, err := x.residue(s)
	if err != nil {
		return done{}, err
	}
	var carried plan.DisposedFact
	if !x.read(plan.DisposedResidueID(path), &carried) || carried.Ref == "" {
		return done{}, fmt.Errorf("nothing says where %s was carried to: put it back by hand", schema.QuoteName(path))
	}
	if err := on.can.Disposer.PlaceResidue(ctx, on.term, path, carried.Ref); err != nil {
		return done{}, fmt.Errorf("put %s on server %s: %w", schema.QuoteName(path), schema.QuoteName(on.name), err)
	}
	f := x.fact(schema.FactDisposed, plan.PlacedResidueID(path), plan.DisposedFact{Action: "carry", Ref: carried.Ref})
	f.Server = on.name
	return done{}, x.remember(f)
}

func (x *run) residue(s *plan.Step) (*server, string, error) {
	if len(s.Objects) != 1 || s.Objects[0] == "" {
		return nil, "", fmt.Errorf("the step names no path: %q", s.Objects)
	}
	on, err := x.server(s.Server)
	if err != nil {
		return nil, "", err
	}
	if on.can.Disposer == nil {
		return nil, "", on.cannot(schema.CanListResidue)
	}
	return on, s.Objects[0], nil
}
