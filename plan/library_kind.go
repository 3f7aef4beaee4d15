package plan

import "github.com/stopover/stopover/schema"

// Findings about an account's own programs and libraries for the machine.
const (
	codeLibrary      = "library-missing"
	codeSymbols      = "library-too-old"
	codeBinaryArch   = "binary-architecture"
	codePHPExtension = "php-extension-api"
	codePHPNeeds     = "php-extension-missing"
	codePHPSettings  = "php-settings"
)

var libraryKinds = []FindingKind{
	{Code: codeLibrary, Title: "a program needs a library that the target lacks", Severity: schema.Blocker, Certainty: observed, Source: source2017, Checks: []string{"C08"}, Waivable: true,
		Doc: "The account has programs or modules of its own for the machine, and a shared library that they name in their headers is found on this server and not on the target: they do not start there. " +
			"Libraries that lie beside the program move along and do not count, nor do those that are missing here too. What is within a virtualenv that has to be built again is left out.",
		Remedy: "Install the library on the target, or build the program again for it; waive it if the program is not in use."},
	{Code: codeSymbols, Title: "a program needs a newer C library than the target has", Severity: schema.Blocker, Certainty: observed, Source: source2017, Checks: []string{"C08"}, Waivable: true,
		Doc:    "It was built on this server and uses symbols of a version of the C library that is newer than the target's. This happens on the way to an older system: it does not start there.",
		Remedy: "Build it again on the target, or on a system as old as that."},
	{Code: codeBinaryArch, Title: "a program is for another kind of processor", Severity: schema.Blocker, Certainty: observed, Source: source2017, Checks: []string{"C08"}, Waivable: true,
		Doc:    "The target has another kind of processor than this server, and the program was built for this one. Programs that already are for neither (a download, a package for phones) do not count.",
		Remedy: "Build or install it again for the target's processor."},
	{Code: codePHPExtension, Title: "an own PHP extension was built for another PHP", Severity: schema.Blocker, Certainty: observed, Source: source2017, Checks: []string{"C09"}, Waivable: true,
		Doc:    "PHP loads an extension only if it was built for its own extension API. No line of PHP on the target has the API of this one: PHP starts with a warning, and without what the extension provides.",
		Remedy: "Build it again against the target's PHP, or use the packaged extension, and correct php.ini."},
	{Code: codePHPNeeds, Title: "a project needs PHP extensions that the target lacks", Severity: schema.Blocker, Certainty: observed, Source: source2020, Checks: []string{"C10"}, Waivable: true,
		Doc:    "A project's composer.json requires extensions that no line of PHP on the target has, while this server has them. Composer refuses to install, and pages that use them fail.",
		Remedy: "Install the extensions on the target."},
	{Code: codePHPSettings, Title: "PHP settings of its own tie an account to this server", Severity: schema.Warning, Certainty: inferred, Source: source2020, Checks: []string{"C10"}, Waivable: true, Drifts: true,
		Doc: "A php.ini, .user.ini or pool of the account names extensions, directories of extensions, files that are loaded first or a path for sessions. Extensions that a newer PHP loads by itself are loaded twice, " +
			"which prints a warning on each start; directories carry the API of the old PHP in their name.",
		Remedy: "Look at each place that the evidence names, and take out what the target's PHP does by itself."},
}
