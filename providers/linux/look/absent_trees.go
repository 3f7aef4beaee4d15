//go:build linux

package look

import "context"

func (w *world) trees(context.Context) error { return nil }
