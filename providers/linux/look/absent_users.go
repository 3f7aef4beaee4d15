//go:build linux

package look

import "context"

func (w *world) users(context.Context) error { return nil }
