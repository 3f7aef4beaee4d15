//go:build linux

package look

import "context"

// Whoever writes this part deletes this file.
func (w *world) databases(context.Context) error { return nil }
