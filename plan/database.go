package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// checkEngines looks at the databases of an account on the source.
func (b *builder) checkEngines(a *account) {
	if !b.goesOut(a) {
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
		if !b.checkStep(a, d, b.arch.Engines[i].Version, object) {
			return
		}
		b.altered = append(b.altered, Altered{Account: a.name, Object: object, From: d.Engine + " " + d.Version,
			To: d.Engine + " " + b.arch.Engines[i].Version, Why: "the target has another version of the engine"})
	}
}

// checkStep looks at the step from one version of an engine to another; false
// if nothing arrives.
func (b *builder) checkStep(a *account, d schema.Database, to, object string) bool {
	step := d.Engine + " " + d.Version + " to " + to
	switch {
	case compareVersions(to, d.Version) < 0:
		if b.report(codeEngineDowngrade, a.name, "", object, object+" would go from "+step+", which is older") {
			a.halt(codeEngineDowngrade, iPrepare)
			return false
		}
	case majorOf(d.Engine, to) != majorOf(d.Engine, d.Version):
		b.report(codeEngineUpgrade, a.name, "", object, object+" goes from "+step+", a major step")
	}
	return true
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
