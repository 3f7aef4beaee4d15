//go:build linux

package look

import (
	"context"
	"github.com/stopover/stopover/schema"
)

const maxSettings = 50_000

func (w *world) settings(ctx context.Context) []schema.Setting { return nil }
func (w *world) unknown(ctx context.Context) []schema.Unknown  { return nil }
func (w *world) residue(ctx context.Context) error             { return nil }
