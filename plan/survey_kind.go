package plan

import "github.com/stopover/stopover/schema"

// Findings that surveys of providers make. Compute passes them on as they are:
// severity, summary and remedy are the survey's own. Other providers may have
// codes that are not here.
var surveyKinds = []FindingKind{
	{Code: "account-unreadable", Title: "an account cannot be read", Severity: schema.Blocker, Certainty: observed, Survey: true,
		Doc:    "Something of the account could not be looked at: permissions, a broken disk, a file where a directory belongs. What is not seen would not arrive.",
		Remedy: "Mend what the message names."},
	{Code: codeVanished, Title: "an account's record is there, and nothing else of it", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol, Survey: true,
		Doc:    "The ownership record says that the account lives on this server, and the server has no such account. It was renamed or deleted by hand after its move had begun; records do not follow a new name.",
		Remedy: "If it was renamed, give it its old name until the journey is over; if it was deleted, put it back."},
	{Code: "account-description", Title: "an account's description cannot be read", Severity: schema.Blocker, Certainty: observed, Survey: true,
		Doc:    "`account.json` says which site, programs and tasks an account has. It is damaged, or was written by something else, so that nobody knows what would have to run on the other server.",
		Remedy: "Mend its `account.json`."},
	{Code: "account-stray", Title: "something lies beside an account's home", Severity: schema.Blocker, Certainty: observed, Survey: true,
		Doc:    "An account is its home, its mail and its databases. What lies beside them belongs to no part, would not be copied, and would be deleted with the server.",
		Remedy: "Move it into the account's home, or delete it."},
	{Code: "database-stray", Title: "a file among the databases is none", Severity: schema.Blocker, Certainty: observed, Survey: true,
		Doc:    "Only databases are copied from where an account's databases are. This file would not be copied, and would be deleted with the server.",
		Remedy: "Move it into the account's home, or delete it."},
	{Code: "certificate-unreadable", Title: "a certificate file cannot be read", Severity: schema.Warning, Certainty: observed, Source: sourceTLS, Checks: []string{"C34"}, Waivable: true, Survey: true,
		Doc:    "The file arrives like every other one, but when the certificate in it ends is not known: a site may stop answering over HTTPS without a warning.",
		Remedy: "Look whether it is still used, and until when it is good."},
	{Code: "file-device", Title: "a device lies in an account", Severity: schema.Blocker, Certainty: observed, Survey: true,
		Doc:    "A block or character device is a part of its machine, not of an account, and is not copied: it would be missing.",
		Remedy: "Delete it, and have what made it make it again on the other server."},
	{Code: "file-mount-point", Title: "something is mounted within an account", Severity: schema.Blocker, Certainty: observed, Survey: true,
		Doc:    "What is mounted there lies on another file system, is not entered and not copied: its files would be missing.",
		Remedy: "Unmount it, and mount it again on the other server, or copy what is in it into the home."},
	{Code: "file-long-path", Title: "the path of a file is too long", Severity: schema.Blocker, Certainty: observed, Survey: true,
		Doc:    "Below the home a path may have 4,095 bytes, as for the system itself. What lies deeper cannot be named in one call and would be missing.",
		Remedy: "Move it up, or delete it."},
	{Code: "file-xattr-size", Title: "a file's extended attributes are too large", Severity: schema.Blocker, Certainty: observed, Survey: true,
		Doc:    "One attribute may have 64 KiB, those of a file 192 KiB together. They would be missing.",
		Remedy: "Look what wrote them, and put it into a file."},
	{Code: "file-xattr-name", Title: "a file has an attribute that is not carried", Severity: schema.Warning, Certainty: observed, Waivable: true, Survey: true,
		Doc:    "Attributes of users (`user.*`) and POSIX ACLs are copied; those of the system are not: capabilities, labels, what another program keeps for itself.",
		Remedy: "Look whether it is needed; what makes it has to make it again on the other server."},
	{Code: "file-xattr-none", Title: "the other file system takes no attributes", Severity: schema.Warning, Certainty: observed, Waivable: true, Survey: true,
		Doc:    "Files have extended attributes, and the file system that they arrive on has none. The files arrive without them.",
		Remedy: "Look whether they are needed; if so, put the other server's directory on a file system that has them."},
	{Code: "file-socket", Title: "a socket lies in an account", Severity: schema.Info, Certainty: observed, Waivable: true, Survey: true,
		Doc: "A socket is not copied: the program that listens on it makes a new one when it starts on the other server."},
}
