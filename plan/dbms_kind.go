package plan

import "github.com/stopover/stopover/schema"

// Findings about database servers, and about what databases lean on in them.
const (
	codeEngineUnread   = "engine-unreadable"
	codeEngineAbsent   = "engine-absent"
	codeDatabaseUnread = "database-unreadable"
	codeCollation      = "collation-unknown"
	codeTableKey       = "table-without-key"
	codeTableLock      = "table-not-transactional"
	codeTableVolatile  = "table-volatile"
	codeReplication    = "replication-off"

	codeSQLMode     = "sql-mode-differs"
	codeSQLModeUsed = "sql-mode-used"
	codePacket      = "packet-smaller"
	codeRowLarge    = "row-too-large"
	codeCase        = "table-names-case"
	codeIndexLong   = "index-long"
	codeEvents      = "database-events"
	codeRoutineMode = "routine-sql-mode"
	codeDefiner     = "definer-missing"

	codeExtension      = "extension-missing"
	codeExtensionOld   = "extension-older"
	codeCollationLib   = "collation-version"
	codeCollationStale = "collation-stale"
	codeLargeObjects   = "large-objects"
	codeTypeRemoved    = "type-removed"

	codeUserHost   = "database-user-host"
	codeUserAcross = "database-user-across"
)

const (
	sourceMariaDB  = "alwaysdata documentation, MariaDB"
	sourcePostgres = "alwaysdata documentation, PostgreSQL"
)

var dbmsKinds = []FindingKind{
	{Code: codeEngineUnread, Title: "a database engine could not be read", Severity: schema.Blocker, Certainty: observed, Checks: []string{"C17", "C18"},
		Doc: "The engine is installed, and it does not run or does not let the survey in: which databases it holds, and whose they are, is not known. What is not seen would not arrive, " +
			"and the reinstallation would delete it. Accounts of this server do not move, whether they have databases or not, because nobody can tell.",
		Remedy: "Start the engine and let the survey in as the message says, or remove the engine and its data if nothing is in it."},
	{Code: codeEngineAbsent, Title: "the target does not run a database engine in use", Severity: schema.Blocker, Certainty: observed, Checks: []string{"C16", "C17"},
		Doc:    "The account has databases of an engine that is not installed on the target, or does not run there. They cannot arrive. The account is prepared and its files are copied ahead; it stops before its cutover.",
		Remedy: "Install and start the engine on the target."},
	{Code: codeDatabaseUnread, Title: "the inside of a database could not be read", Severity: schema.Warning, Certainty: observed, Checks: []string{"C17"}, Waivable: true, Drifts: true,
		Doc:    "The database is there and its tables could not be looked at: rights, a damaged table, a view that leads to nothing. None of the checks of its inside were made, and a dump may fail in the same place.",
		Remedy: "Mend what the evidence names, and look again; a trial shows whether it can be dumped."},
	{Code: codeCollation, Title: "a collation is not known on the target", Severity: schema.Blocker, Certainty: observed, Source: sourceMariaDB, Checks: []string{"C20", "C21"}, Waivable: true,
		Doc: "A database, table or column uses a collation, or a locale of the system, that the target's engine does not have (utf8mb4_0900_ai_ci and uca1400 are names that not every MariaDB and MySQL know). " +
			"The import stops at the first statement that names it.",
		Remedy: "Change the collation on the source (ALTER DATABASE, ALTER TABLE … CONVERT TO), or have the locale generated on the target before PostgreSQL is started there."},
	{Code: codeTableKey, Title: "tables have nothing that identifies a row", Severity: schema.Info, Certainty: observed, Checks: []string{"C18", "C19"}, Waivable: true, Drifts: true,
		Doc: "Tables without a primary key (PostgreSQL: without a replica identity) cannot be replicated row by row, or only slowly; they are dumped whole within the cut. Nothing is wrong with them otherwise."},
	{Code: codeTableLock, Title: "tables know no transactions", Severity: schema.Warning, Certainty: observed, Checks: []string{"C18"}, Waivable: true, Drifts: true,
		Doc: "Tables of MyISAM, Aria and the like cannot be dumped consistently while something writes to them: a copy needs a lock, which is what the freeze is, and takes all of the cut. " +
			"A dump that was made while the application ran may contradict itself.",
		Remedy: "ALTER TABLE … ENGINE=InnoDB where the application allows it, before the move."},
	{Code: codeTableVolatile, Title: "tables that no replication carries and no restart keeps", Severity: schema.Warning, Certainty: observed, Checks: []string{"C18"}, Waivable: true, Drifts: true,
		Doc:    "Tables of the engine MEMORY are empty after a restart, UNLOGGED ones after a crash, and no replication carries either. A dump takes what is in them at that moment.",
		Remedy: "Make sure that the application fills them again, or make ordinary tables of them."},
	{Code: codeReplication, Title: "an engine keeps no log for replication", Severity: schema.Info, Certainty: observed, Checks: []string{"C18"}, Waivable: true, Drifts: true,
		Doc: "Without a binary log (MariaDB, MySQL) or wal_level = logical (PostgreSQL) databases are dumped within the cut, whose length grows with their size; with it they can be kept up to date ahead of the cut. " +
			"Switching it on needs a restart of the engine, which is short but takes all accounts along."},

	{Code: codeSQLMode, Title: "the SQL mode is another one on the target", Severity: schema.Warning, Certainty: observed, Source: sourceMariaDB, Checks: []string{"C19"}, Waivable: true, Drifts: true,
		Doc: "The mode decides whether too long, invalid or missing values are refused or bent into shape (STRICT_TRANS_TABLES), what GROUP BY may do and how quotes are read. " +
			"Data arrive whole either way; applications that relied on the old mode fail when they write.",
		Remedy: "Set the same sql_mode on the target until the applications are mended, or have them set it in their connections."},
	{Code: codeSQLModeUsed, Title: "files of the account set the SQL mode", Severity: schema.Info, Certainty: observed, Source: sourceMariaDB, Checks: []string{"C19"}, Waivable: true, Drifts: true,
		Doc: "The application sets sql_mode by itself, so that the server's default does not matter to it. A mode that the target's engine has dropped would be refused."},
	{Code: codePacket, Title: "the target takes smaller packets", Severity: schema.Warning, Certainty: observed, Checks: []string{"C19"}, Waivable: true, Drifts: true,
		Doc:    "max_allowed_packet bounds one statement and one value. Where it is smaller, large imports and uploads that work here are refused there.",
		Remedy: "Set max_allowed_packet on the target to at least the source's value."},
	{Code: codeRowLarge, Title: "a value is larger than the target takes", Severity: schema.Blocker, Certainty: observed, Checks: []string{"C19", "C20"}, Waivable: true,
		Doc:    "The largest value that was seen in the database does not fit into one packet on the target: the import stops there.",
		Remedy: "Set max_allowed_packet on the target to more than twice the size of the value, and restart the engine."},
	{Code: codeCase, Title: "names of tables are written in another way on the target", Severity: schema.Warning, Certainty: observed, Checks: []string{"C19"}, Waivable: true, Drifts: true,
		Doc: "lower_case_table_names differs. Queries that write a name in capital letters find the table on one of the servers only, and two tables whose names differ in capitals alone become one: that is a blocker of its account. " +
			"The setting can be chosen only when an engine's data directory is made.",
		Remedy: "Have the target's engine installed with the source's value."},
	{Code: codeIndexLong, Title: "indexes are longer than the target may take", Severity: schema.Warning, Certainty: inferred, Source: sourceMariaDB, Checks: []string{"C20"}, Waivable: true, Drifts: true,
		Doc:    "Indexes of more than 767 bytes need the row formats DYNAMIC or COMPRESSED. The target makes tables in another format by default, or its version is too old: the import of such a table fails.",
		Remedy: "Set innodb_default_row_format = dynamic on the target, or shorten the index."},
	{Code: codeEvents, Title: "databases have events", Severity: schema.Info, Certainty: observed, Source: sourceMariaDB, Checks: []string{"C19", "C36"}, Waivable: true, Drifts: true,
		Doc:    "Events run inside the engine, wherever the database is, unless its event scheduler is off: neither the account's tasks nor its programs start them. Where the scheduler runs here and not on the target, this is a warning, as they would not run there.",
		Remedy: "Switch event_scheduler on where the account is at home, and nowhere else."},
	{Code: codeRoutineMode, Title: "stored programs were made under a mode that is gone", Severity: schema.Blocker, Certainty: inferred, Source: sourceMariaDB, Checks: []string{"C19"}, Waivable: true,
		Doc:    "A dump sets the SQL mode under which each routine, event and trigger was made. MySQL 8 does not know some of them any more (NO_AUTO_CREATE_USER, and those that stand for other engines) and stops the import there.",
		Remedy: "Make the stored program again on the source under a mode that the target knows."},
	{Code: codeDefiner, Title: "a stored program's definer does not exist", Severity: schema.Warning, Certainty: observed, Source: sourceMariaDB, Checks: []string{"C19", "C23"}, Waivable: true, Drifts: true,
		Doc: "Views, triggers, routines and events run with the rights of the user who made them. That user is not among the account's, or is the server's own and not on the target: they fail when they are called, " +
			"a trigger with every write to its table.",
		Remedy: "Make them again with a user of the account as their definer, or make the user on the target."},

	{Code: codeExtension, Title: "an extension of PostgreSQL is missing on the target", Severity: schema.Blocker, Certainty: observed, Source: sourcePostgres, Checks: []string{"C21", "C22"}, Waivable: true,
		Doc:    "A database uses an extension that the target's PostgreSQL cannot create. The import fails there, and with it everything that uses its types and functions.",
		Remedy: "Install the package of the extension on the target, for its version of PostgreSQL."},
	{Code: codeExtensionOld, Title: "an extension of PostgreSQL is older on the target", Severity: schema.Warning, Certainty: observed, Source: sourcePostgres, Checks: []string{"C21"}, Waivable: true, Drifts: true,
		Doc:    "A dump makes the extension in the version that is the target's default. Functions and types that came later are not there, and PostGIS may not read what a newer one wrote.",
		Remedy: "Install the same version or a newer one on the target, or try the database on a trial server."},
	{Code: codeCollationLib, Title: "text is sorted by another library on the target", Severity: schema.Warning, Certainty: observed, Source: sourcePostgres, Checks: []string{"C21"}, Waivable: true, Drifts: true,
		Doc: "The collations of the C library, or of ICU, have another version there and may sort in another order. Indexes that a dump builds anew are right; indexes that are copied as files, and range partitions, are not: they need REINDEX. " +
			"Queries may give another order.",
		Remedy: "Let databases arrive by dump and load. Where data files are copied instead: REINDEX DATABASE, then ALTER DATABASE … REFRESH COLLATION VERSION."},
	{Code: codeCollationStale, Title: "indexes were built with an older sorting library", Severity: schema.Warning, Certainty: observed, Source: sourcePostgres, Checks: []string{"C21"}, Waivable: true, Drifts: true,
		Doc:    "The version that PostgreSQL has recorded for a collation is not the one that the library on this very server has now: the system was upgraded under it. Indexes on text may be damaged already, and unique ones may hold a value twice, which stops an import.",
		Remedy: "On the source: REINDEX DATABASE, mend what it complains of, then ALTER DATABASE … REFRESH COLLATION VERSION."},
	{Code: codeLargeObjects, Title: "a database has large objects", Severity: schema.Info, Certainty: observed, Checks: []string{"C18", "C21"}, Waivable: true, Drifts: true,
		Doc: "A dump carries them, logical replication does not: the database is dumped within the cut."},
	{Code: codeTypeRemoved, Title: "columns have types that newer versions dropped", Severity: schema.Blocker, Certainty: documented, Source: sourcePostgres, Checks: []string{"C21"}, Waivable: true,
		Doc:    "Types such as abstime, reltime and tinterval, and tables WITH OIDS, are gone in PostgreSQL 12. The import of such a table fails.",
		Remedy: "ALTER TABLE … ALTER COLUMN … TYPE timestamptz (or SET WITHOUT OIDS) on the source."},

	{Code: codeUserHost, Title: "databases are used from other hosts", Severity: schema.Warning, Certainty: observed, Source: sourceMariaDB, Checks: []string{"C24", "C25"}, Waivable: true, Drifts: true,
		Doc: "A user is bound to a host that is not this one, or somebody was seen logging in from outside. These clients name the server by an address that changes for a while, " +
			"and a program of another account that moves comes from another address too.",
		Remedy: "Tell whoever runs these clients, and allow the addresses that they will come from."},
	{Code: codeUserAcross, Title: "a user of databases reaches beyond its account", Severity: schema.Warning, Certainty: observed, Source: sourceMariaDB, Checks: []string{"C23"}, Waivable: true, Drifts: true,
		Doc:    "It has rights on a database of another account, or on all. They work only while both are on the same server, and rights on all databases of a server that accounts share reach further than most owners know.",
		Remedy: "Move the two accounts one right after the other (`after`), and give each its own user."},
}
