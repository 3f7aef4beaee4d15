package plan

import "github.com/stopover/stopover/schema"

// Findings about what was built for, or is written for, one version of a runtime.
const (
	codeVirtualenv     = "virtualenv-rebuild"
	codeVirtualenvHome = "virtualenv-home"
	codeUserPackages   = "packages-rebuild"
	codeVersionWritten = "version-in-files"
	codeRuntimePath    = "runtime-path"
	codeApplicationOld = "application-old"
)

var environmentKinds = []FindingKind{
	{Code: codeVirtualenv, Title: "a virtualenv has to be built again on the target", Severity: schema.Blocker, Certainty: observed, Source: source2020, Checks: []string{"C06"}, Waivable: true,
		Doc: "It was made with a line of Python that the target does not have. Its interpreter is a link to one that is not there, and its packages lie under the old version's name: nothing in it starts after the move. " +
			"The account is prepared and copied ahead, and stops before its cutover.",
		Remedy: "Install this line of Python on the target, or have the owner ready to build it again (python3 -m venv, pip install -r requirements.txt) right after the cutover and waive this."},
	{Code: codeVirtualenvHome, Title: "a virtualenv's interpreter lies in an unusual place", Severity: schema.Warning, Certainty: inferred, Source: source2020, Checks: []string{"C06"}, Waivable: true, Drifts: true,
		Doc:    "The interpreter that it was made with lies neither in the account's home nor where the system keeps its programs. The target has the line of Python, but perhaps not there, and a virtualenv knows its interpreter by path.",
		Remedy: "Have the same Python at the same path on the target, or build the virtualenv again."},
	{Code: codeUserPackages, Title: "installed packages were built for another version", Severity: schema.Warning, Certainty: inferred, Source: source2020, Checks: []string{"C07"}, Waivable: true, Drifts: true,
		Doc:    "Packages in the home (pip --user, gems, node_modules) lie under, or were compiled for, a version of their runtime that the target does not have. They are copied and not found, or do not load.",
		Remedy: "Install them again on the target after the move, from the project's own list."},
	{Code: codeVersionWritten, Title: "files ask for a version that the target lacks", Severity: schema.Warning, Certainty: inferred, Source: source2017, Checks: []string{"C03", "C05"}, Waivable: true, Drifts: true,
		Doc: "A variable, the first line of a script, or a command names a version or a program that this server has and the target does not. Whether the file is in use cannot be seen, which is why this stops nothing: " +
			"what a site or a task runs on is a finding of its own.",
		Remedy: "Write the name without the version (python3, php, node), or the version that the target has."},
	{Code: codeRuntimePath, Title: "files name paths of a version that the target lacks", Severity: schema.Warning, Certainty: inferred, Source: source2020, Checks: []string{"C04"}, Waivable: true, Drifts: true,
		Doc:    "A command, a setting or a script holds the path of a runtime's own directory, with its version in it. The target does not have that version, so that the path leads to nothing there.",
		Remedy: "Call the program by its name instead of by its path, or correct the path on the target after the move."},
	{Code: codeApplicationOld, Title: "an application is known to break on newer systems", Severity: schema.Warning, Certainty: documented, Source: source2024, Checks: []string{"C51"}, Waivable: true, Drifts: true,
		Doc:    "Composer 1 does not work with its package servers and with PHP 8.1 or newer any more; Drupal before 8.9 answers with broken compressed files behind a server that compresses by itself.",
		Remedy: "Bring the project to Composer 2, or Drupal to a newer version, before the move."},
}
