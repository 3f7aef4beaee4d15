package plan

import "github.com/stopover/stopover/schema"

// Findings about web servers, addresses, ports, and what programs lean on beside
// their account.
const (
	codeApache       = "apache-directives"
	codeApacheModule = "apache-module"
	codeLogReader    = "log-reader"
	codeListen       = "listen-address"
	codePort         = "port-taken"
	codeLocalService = "local-service-missing"
	codeCoupled      = "account-coupled"
	codePlain        = "client-plaintext"
	codeForks        = "service-forks"
	codeOutside      = "account-outside"
	codeTemporary    = "state-in-tmp"
	codeCertOutside  = "certificate-outside"
	codeSieve        = "sieve-extension"
)

var networkKinds = []FindingKind{
	{Code: codeApache, Title: "Apache directives may mean something else on the target", Severity: schema.Warning, Certainty: inferred, Source: source2017, Checks: []string{"C11", "C12"}, Waivable: true, Drifts: true,
		Doc: "Files `.htaccess` and virtual hosts hold directives that newer versions of Apache know only through a compatibility module (Order, Allow, Deny), handlers of one version of PHP, or PHP settings that PHP-FPM does not read there. " +
			"Apache answers with an error, or passes over them; without Apache on the target all of them are passed over, those that protect something too.",
		Remedy: "Write `Require` instead of Order, Allow and Deny, move PHP settings to .user.ini, and take handlers out."},
	{Code: codeApacheModule, Title: "an account loads Apache modules of its own", Severity: schema.Warning, Certainty: inferred, Source: source2017, Checks: []string{"C11"}, Waivable: true, Drifts: true,
		Doc:    "A module is built for one version of Apache. If it cannot be loaded, Apache does not start, for all accounts.",
		Remedy: "Build the module on the target, or use the packaged one, before the account moves."},
	{Code: codeLogReader, Title: "programs read the logs of the web server", Severity: schema.Warning, Certainty: inferred, Source: source2024, Checks: []string{"C15"}, Waivable: true, Drifts: true,
		Doc:    "A task or a script of the account reads HTTP logs. Where they lie, who may read them and their format are settings of the server; what it read so far does not come along with the new server's logs.",
		Remedy: "Compare the log format and path on the target, and carry what the program remembers."},
	{Code: codeListen, Title: "a program is bound to an address of this server", Severity: schema.Blocker, Certainty: observed, Source: source2020, Checks: []string{"C14"}, Waivable: true,
		Doc: "A program, a site or a setting of the account names one of this server's own addresses to listen on. The target does not have that address: the program does not start there. " +
			"All addresses (0.0.0.0, ::) and localhost are on every server and do not count.",
		Remedy: "Let it listen on all addresses or on localhost behind the web server."},
	{Code: codePort, Title: "a port of the account is taken on the target", Severity: schema.Blocker, Certainty: observed, Source: source2020, Checks: []string{"C14", "C37"}, Waivable: true,
		Doc:    "Something else listens on the same port on the target: the account's program does not start there, or, worse, its site talks to a stranger's program.",
		Remedy: "Give one of the two another port."},
	{Code: codeLocalService, Title: "a local service that an account uses is missing", Severity: schema.Blocker, Certainty: observed, Source: source2024, Checks: []string{"C26"}, Waivable: true,
		Doc: "Settings of the account name a service on this server itself (Redis, Memcached, Elasticsearch, RabbitMQ and the like) that runs here and not on the target. " +
			"What such a service keeps belongs to no account: caches may be lost, queues and indexes should not be.",
		Remedy: "Install and start it on the target; save what it holds, or have the application make it anew."},
	{Code: codeCoupled, Title: "an account uses a port of another account", Severity: schema.Warning, Certainty: observed, Source: sourceTerms, Checks: []string{"C37"}, Waivable: true, Drifts: true,
		Doc:    "A site or a setting passes requests on to localhost, where a program of another account listens. It works only while both are on the same server.",
		Remedy: "Move the two one right after the other (`after`), or let them talk by a name that follows the account."},
	{Code: codePlain, Title: "clients use a service without encryption", Severity: schema.Warning, Certainty: observed, Source: source2024, Checks: []string{"C33"}, Waivable: true, Drifts: true,
		Doc:    "The logs show logins without TLS: printers, scripts, old mail programs. Newer servers refuse them by default, and the password travels for all to read.",
		Remedy: "Have these clients set to TLS before the move; the evidence says who and from where."},
	{Code: codeForks, Title: "services of the account put themselves in the background", Severity: schema.Info, Certainty: observed, Checks: []string{"C37"}, Waivable: true, Drifts: true,
		Doc: "A unit of type forking starts a program that leaves its parent. Such a program is stopped by its process group, and whether it has really ended before a copy is made is harder to tell."},
	{Code: codeOutside, Title: "parts of an account are configured outside of its home", Severity: schema.Info, Certainty: observed, Checks: []string{"C36", "C37", "C38"}, Waivable: true, Drifts: true,
		Doc: "Units, pools, virtual hosts, crontabs and keys that belong to the account and lie in the system's directories. They are not in its home, so that copying the home does not bring them: " +
			"the same has to be there on the target when it arrives."},
	{Code: codeTemporary, Title: "programs keep their state in /tmp", Severity: schema.Warning, Certainty: inferred, Source: source2020, Checks: []string{"C44"}, Waivable: true, Drifts: true,
		Doc:    "Files of the account name paths in /tmp or /var/tmp. What lies there belongs to no account and is not copied: sessions, locks, uploads and sockets are gone after the move.",
		Remedy: "Let programs keep their state in the home; sessions that are lost mean that visitors log in again."},
	{Code: codeCertOutside, Title: "a certificate lies outside of the account", Severity: schema.Warning, Certainty: observed, Source: sourceTLS, Checks: []string{"C34"}, Waivable: true, Drifts: true,
		Doc: "The certificate and its key are files of the server, and what renews them is a task of the server. Neither is copied with the account: its sites do not answer over HTTPS on the target until both are there. " +
			"A challenge over HTTP reaches only the server that the names lead to.",
		Remedy: "Copy certificate and key to the target, or have one issued there by a challenge over DNS; set up the renewal there as well."},
	{Code: codeSieve, Title: "mail filters need extensions that the target lacks", Severity: schema.Warning, Certainty: observed, Checks: []string{"C38"}, Waivable: true, Drifts: true,
		Doc:    "Sieve scripts name in `require` what the target's mail server does not do, or it has no Sieve at all. A script that cannot be compiled is not run: all mail goes to the inbox, forwarding and vacation answers stop.",
		Remedy: "Install dovecot-sieve on the target and switch on the same extensions (`sieve_extensions`)."},
}
