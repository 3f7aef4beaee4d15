package plan

import "github.com/stopover/stopover/schema"

// Findings about databases.
const (
	codeEngineRemoved   = "engine-removed"
	codeEngineMissing   = "engine-missing"
	codeEngineDowngrade = "engine-downgrade"
	codeEngineUpgrade   = "engine-upgrade"
	codeNotWAL          = "sqlite-not-wal"
)

var engineKinds = []FindingKind{
	{Code: codeEngineRemoved, Title: "a database engine is gone on the target", Severity: schema.Blocker, Certainty: documented, Source: sourceProcess, Checks: []string{"C16"},
		Doc: "The target's architecture has dropped the engine. Its databases cannot arrive, and on the hosting platform the migration deletes them. " +
			"No waiver lets this pass: the data would be lost.",
		Remedy: "Move the data to an offered engine, or export it and delete the database, before the account moves."},
	{Code: codeEngineMissing, Title: "a database engine is not offered by the target", Severity: schema.Blocker, Certainty: inferred, Checks: []string{"C16"},
		Doc:    "The architecture lists engines, and this is none of them. Whether the target has it is not known, so that nothing is promised.",
		Remedy: "Add the engine to the architecture if the target has it, or move the data away."},
	{Code: codeEngineDowngrade, Title: "a database would arrive on an older version of its engine", Severity: schema.Blocker, Certainty: inferred, Checks: []string{"C17"}, Waivable: true,
		Doc: "Engines read what older versions wrote, not the other way round: a dump may use what the older version does not know, " +
			"and data files cannot be used at all. A trial on such a version shows whether it works; then a waiver lets it pass.",
		Remedy: "Ask for a transit server with at least this version, or try the databases on a trial server first."},
	{Code: codeEngineUpgrade, Title: "a database arrives on a newer major version of its engine", Severity: schema.Warning, Certainty: documented, Source: source2024, Checks: []string{"C17", "C19", "C21"}, Waivable: true, Drifts: true,
		Doc: "Major versions drop data types and extensions, forbid what was allowed, and change defaults (SQL modes, character sets, index sizes). " +
			"Queries of the application may fail although the data arrives whole.",
		Remedy: "Try the databases on a trial server (`trial` in the migration), and read the engine's own upgrade notes."},
	{Code: codeNotWAL, Title: "a SQLite database is not in WAL mode", Severity: schema.Warning, Certainty: observed, Checks: []string{"C18"}, Waivable: true,
		Doc:    "What changed since the last copy cannot be told: the database is compared whole within the cut, which takes longer by its size.",
		Remedy: "Set journal_mode=WAL, if the application allows it."},
}
