package plan

import "github.com/stopover/stopover/schema"

// Findings about servers.
const (
	codeUnreachable  = "server-unreachable"
	codeAbsent       = "server-absent"
	codeUnanswered   = "address-unanswered"
	codeReinstalling = "server-reinstalling"
	codeMachine      = "machine-changed"
	codeSealed       = "sealed-elsewhere"
	codeHeld         = "held-by-other"
	codeCannot       = "capability-missing"
	codeCannotGate   = "capability-gate"
	codeFactsNotKept = "facts-not-kept"
	codeShared       = "transit-shared"
	codeOutgoing     = "outgoing-changes"
	codeHostKeys     = "host-keys-change"
)

var serverKinds = []FindingKind{
	{Code: codeUnreachable, Title: "a server does not answer", Severity: schema.Blocker, Certainty: observed,
		Doc: "The server should be there and does not answer. Phases that need it have no steps, and what lives on it is not known: " +
			"nothing is guessed. Accounts that need only the other server go on.",
		Remedy: "Do what the reason says: bring the server up, make it reachable from here, or correct how Stopover logs in. Then plan again."},
	{Code: codeAbsent, Title: "a server is not there", Severity: schema.Blocker, Certainty: observed,
		Doc: "The source is gone, or a transit server that was handed over before. Accounts whose owner it was are nowhere else. " +
			"Before the hand-over an absent transit server is no finding: it is waited for.",
		Remedy: "Correct the `address` in the configuration, or bring the server back. If it is lost for good, see `stopover declare-lost`."},
	{Code: codeUnanswered, Title: "a server does not answer on an address of its own", Severity: schema.Warning, Certainty: observed, Waivable: true,
		Doc: "The server is there, and users who ask at the address get no answer from it: another program listens there, " +
			"or `serves` in the configuration names an address that the server does not have. While the source is reinstalled transit takes " +
			"the source's addresses over, and that would fail in the middle of the journey.",
		Remedy: "Correct `serves`, or end what else listens there; a pocket server says what it is in its server.log."},
	{Code: codeReinstalling, Title: "the source is being reinstalled", Severity: schema.Info, Certainty: inferred,
		Doc: "The source was sealed and does not answer: that is what a reinstallation looks like from outside. It takes hours. " +
			"The transit server answers for the accounts meanwhile.",
		Remedy: "Wait until it answers again, and plan again."},
	{Code: codeMachine, Title: "the source is another machine than at the beginning", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol, Checks: []string{"C01"},
		Doc: "The machine identity differs from the one at the first claim, yet the server says that it was known since the beginning, " +
			"or nobody remembers it at all: a clone, an image that was restored, or another server under the same address. " +
			"Its records may be old copies, so that none of them is believed.",
		Remedy: "Check the address of the server. If it was restored from an image of another machine, do not go on."},
	{Code: codeSealed, Title: "the source was sealed under another identity", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol,
		Doc: "The transit server took over the accounts of this machine, or the machine is sealed by another migration: what lives here now is an old copy. " +
			"Starting it would run accounts in two places.",
		Remedy: "Do not start anything on this server. Reinstall it, or unseal it if you know that the seal is not of use any more."},
	{Code: codeHeld, Title: "another migration holds records here", Severity: schema.Blocker, Certainty: observed, Source: sourceProtocol,
		Doc: "An account moves in one migration at a time. Two projects that use one name do not meet: each has an id of its own, " +
			"and the record names another one.",
		Remedy: "Finish the other migration, or exclude the account from this one."},
	{Code: codeCannot, Title: "a server cannot do what every move needs", Severity: schema.Blocker, Certainty: observed,
		Doc: "Owning records and copying cannot be done by hand: they are what keeps an account in one place. " +
			"The server's provider says why it cannot.",
		Remedy: "Mend what it names, or use a provider that can. Linux servers are looked at, checked and prepared in this version, and nothing is to be mended for that."},
	{Code: codeCannotGate, Title: "a server cannot do this by itself", Severity: schema.Info, Certainty: observed, Checks: []string{"C54"},
		Doc: "The server's provider has no way to do a step. The step becomes a gate: somebody does it, and Stopover notices or is told. " +
			"Nothing is wrong, but somebody has to be there."},
	{Code: codeFactsNotKept, Title: "a server keeps no facts", Severity: schema.Warning, Certainty: observed, Waivable: true,
		Doc: "Approvals, baselines and the hand-over date are mirrored on the servers where they allow it. This one does not: " +
			"if the state store is lost, so are they.",
		Remedy: "Keep backups of the state store."},
	{Code: codeShared, Title: "other accounts live on the transit server", Severity: schema.Warning, Certainty: observed, Waivable: true,
		Doc:    "They are not touched. The transit server is not given away at the end, only the copies of this migration go.",
		Remedy: "Make sure that the server may be shared."},
	{Code: codeOutgoing, Title: "connections come from another address after the move", Severity: schema.Info, Certainty: documented, Source: sourceRanges, Checks: []string{"C28", "C41"}, Waivable: true,
		Doc: "Connections that programs open to the outside come from the transit server's own addresses once an account has moved. " +
			"Whoever lets the source in by its address (a payment service, a partner's database, LDAP) refuses the transit server.",
		Remedy: "Ask those who allow the source by address to allow the transit server as well, and the source again later."},
	{Code: codeHostKeys, Title: "the transit server has other SSH host keys", Severity: schema.Info, Certainty: documented, Source: sourceKept, Checks: []string{"C40"}, Waivable: true,
		Doc: "Whoever has pinned the keys of the source (CI secrets, `known_hosts`) is warned, or refused, after an account has moved, " +
			"and again after the reinstallation.",
		Remedy: "Tell the owners; `stopover notices` lists the fingerprints."},
}
