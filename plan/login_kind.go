package plan

import "github.com/stopover/stopover/schema"

// Findings about the user of the machine behind an account.
const (
	codeUserThere    = "user-taken"
	codeGroup        = "group-conflict"
	codeGroupMissing = "group-missing"
	codeHomeOwner    = "home-owner"
	codeShellMissing = "shell-missing"
	codeShell        = "shell-not-posix"
)

var loginKinds = []FindingKind{
	{Code: codeUserThere, Title: "a user of the target has the account's name", Severity: schema.Blocker, Certainty: observed, Checks: []string{"C43"},
		Doc:    "The target has a user of the system with this name and another user id, which is no account of its layout and no copy of this one. Files, crontabs and mail would be mixed up with that user's.",
		Remedy: "Rename one of the two, or remove the user on the target if nothing needs it."},
	{Code: codeGroup, Title: "a group of the account is another one on the target", Severity: schema.Blocker, Certainty: observed, Checks: []string{"C43"}, Waivable: true,
		Doc: "The group id of the account's files belongs to a group of another name on the target, or the group's name has another id there: members of a strange group could read and change the files. " +
			"Where the server gives ids by itself, this is no finding: it is listed as altered.",
		Remedy: "Give one of the groups another id, or waive it if the groups have no members in common use."},
	{Code: codeGroupMissing, Title: "groups of the account are missing on the target", Severity: schema.Warning, Certainty: observed, Checks: []string{"C43"}, Waivable: true, Drifts: true,
		Doc:    "The account's user is a member of groups that the target does not have: what these let it read or run (a web server's group, docker, a shared project) it cannot there.",
		Remedy: "Make the groups on the target with the same ids, and the user a member."},
	{Code: codeHomeOwner, Title: "the home belongs to somebody else, or to all", Severity: schema.Warning, Certainty: observed, Source: source2020, Checks: []string{"C43"}, Waivable: true, Drifts: true,
		Doc:    "The home directory does not belong to the account's user, or everybody on the machine may write to it. Owners and modes are copied as they are; on the target the same ids may be other people, and SSH refuses keys in such a home.",
		Remedy: "Give the home to its user (chown) and take the right to write from others (chmod o-w), or waive it if that is meant."},
	{Code: codeShellMissing, Title: "the login shell is missing on the target", Severity: schema.Warning, Certainty: observed, Checks: []string{"C42"}, Waivable: true, Drifts: true,
		Doc:    "The user's shell is not among the target's programs and packages. Nobody can log in as it, and cron and services that use the shell do not start.",
		Remedy: "Install the shell on the target, or give the user another one."},
	{Code: codeShell, Title: "the login shell is not a POSIX one", Severity: schema.Info, Certainty: documented, Source: sourceLogin, Checks: []string{"C42"}, Waivable: true, Drifts: true,
		Doc: "Commands that people and scripts send over SSH are read by the login shell, and fish, csh and tcsh read them in another way. Stopover's own do not depend on it. What you send yourself, send through sh."},
}
