package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// checkEngines looks at the databases of an account on the source.
func (b *builder) checkEngines(a *account) {
	if a.found != sideSource || a.s == nil {
		return
	}
	for _, d := range a.s.Databases {
		b.checkEngine(a, d, d.Engine+"/"+d.Name)
	}
}

func (b *builder) checkEngine(a *account, d schema.Database, object string) {
	if b.arch == nil {
		return
	}
	if slices.Contains(b.arch.Removed, d.Engine) {
		b.block(a, codeEngineRemoved, iPrepare, object, "architecture "+b.arch.Name+" has no "+d.Engine+" any more")
		return
	}
	i := slices.IndexFunc(b.arch.Engines, func(e schema.EngineOffer) bool { return e.Name == d.Engine })
	switch {
	case i < 0 && len(b.arch.Engines) > 0 && d.Engine != "sqlite": // SQLite is a file, not a service
		b.block(a, codeEngineMissing, iPrepare, object, "architecture "+b.arch.Name+" does not list "+d.Engine)
	case i >= 0 && d.Version != "" && b.arch.Engines[i].Version != "" && d.Version != b.arch.Engines[i].Version:
		b.altered = append(b.altered, Altered{Account: a.name, Object: object, From: d.Engine + " " + d.Version,
			To: d.Engine + " " + b.arch.Engines[i].Version, Why: "the target has another version of the engine"})
	}
}

// checkModes looks for what makes the cutovers that are left long.
func (b *builder) checkModes(a *account) {
	if a.live == nil || a.found == sideHome || a.found == sideTransit && b.proc.OneWay() {
		return
	}
	for _, d := range a.live.Databases {
		if d.Engine != "sqlite" || strings.EqualFold(d.Mode, "wal") {
			continue
		}
		mode := d.Mode
		if mode == "" {
			mode = "unknown"
		}
		object := d.Engine + "/" + d.Name
		b.report(codeNotWAL, a.name, "", object, object+" has journal_mode "+mode+": it is compared whole within the cut")
	}
}
