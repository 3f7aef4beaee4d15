//go:build linux

package look

import (
	"context"
	"github.com/stopover/stopover/schema"
)

func (w *world) settings(ctx context.Context) []schema.Setting { return nil }
func (w *world) unknown(ctx context.Context) []schema.Unknown { return nil }
func (w *world) sites(ctx context.Context) error { return nil }
func (w *world) residue(ctx context.Context) error { return nil }
const secretIsSet = "(set)"
func secretKey(string) bool { return false }
