package plan

import "github.com/stopover/stopover/schema"

// Findings about DNS.
const (
	codeDNSLookup  = "dns-lookup"
	codeDNSMissing = "dns-missing"
	codeDNSOther   = "dns-elsewhere"
	codeDNSKept    = "dns-kept"
	codeDNSChange  = "dns-change"
	codeDNSOwn     = "dns-own-address"
	codeDNSServer  = "dns-server-name"
	codeDNSCAA     = "dns-caa"
	codeReroute    = "reroute-outage"
	codeMXRemove   = "mx-remove"
	codeMXKept     = "mx-kept"
	codeMXMissing  = "mx-missing"
	codeSPF        = "spf-address"
)

var dnsKinds = []FindingKind{
	{Code: codeDNSLookup, Title: "names could not be looked up", Severity: schema.Warning, Certainty: observed, Checks: []string{"C30"}, Waivable: true, Drifts: true,
		Doc:    "The resolver gave no answer, or an error: what these names point to is not known, and none of the checks of DNS was made for them.",
		Remedy: "Plan again later; if it stays, look at the `dns` block and at the zone's name servers."},
	{Code: codeDNSMissing, Title: "names of the account do not exist in DNS", Severity: schema.Warning, Certainty: observed, Checks: []string{"C30"}, Waivable: true, Drifts: true,
		Doc:    "The account answers for these names, and DNS does not know them, or has no address for them: nobody can reach them, before or after the move.",
		Remedy: "Remove the names from the account, or ask whoever keeps the zone."},
	{Code: codeDNSOther, Title: "names of the account point to somewhere else", Severity: schema.Warning, Certainty: observed, Checks: []string{"C30"}, Waivable: true, Drifts: true,
		Doc: "Their addresses are neither the source's nor the transit server's. A proxy or a content network in front of the site is one reason; " +
			"then that service has to reach the account wherever it is. Or the site has moved away long ago.",
		Remedy: "If a proxy is in front, look at which address it asks. Else remove the names from the account."},
	{Code: codeDNSKept, Title: "names on external DNS keep their records", Severity: schema.Info, Certainty: documented, Source: sourceProcess, Checks: []string{"C30"}, Waivable: true,
		Doc: "They point to the source's addresses. The source passes their traffic on while the account is on transit, the transit server answers on these addresses " +
			"during the reinstallation, and in the end they are the source's again. No record has to be changed."},
	{Code: codeDNSChange, Title: "names on external DNS have to be changed", Severity: schema.Warning, Certainty: documented, Source: sourceProcess, Checks: []string{"C30"}, Waivable: true,
		Doc:    "They point to the source's addresses, which do not follow on a one-way journey. The source passes traffic on only as long as it lives.",
		Remedy: "Point them to the destination once the account is there, and wait for their time to live before the source is switched off."},
	{Code: codeDNSOwn, Title: "records on the provider's DNS hold the source's addresses", Severity: schema.Info, Certainty: inferred, Source: sourceDNS, Checks: []string{"C32"}, Waivable: true,
		Doc:    "The hosting company changes the records that it made itself. It does not change those that a user has added, and from outside the two look alike.",
		Remedy: "Look at these records in the control panel: one that a user has added has to be changed by hand."},
	{Code: codeDNSServer, Title: "DNS records name the server itself", Severity: schema.Warning, Certainty: documented, Source: sourceDNS, Checks: []string{"C27"}, Waivable: true,
		Doc:    "An alias or a mail record of the account's domain leads to a host name that is the server's own, instead of one that follows the account.",
		Remedy: "Let the record name the account's own address, or use A and AAAA records."},
	{Code: codeDNSCAA, Title: "CAA records restrict who may issue certificates", Severity: schema.Info, Certainty: observed, Checks: []string{"C34"}, Waivable: true,
		Doc:    "Certificates that are renewed on the way come from the certificate authority that the server uses at that time. If it is not among those that the records name, renewing fails.",
		Remedy: "Make sure that the authority that the transit server and the new architecture use is named."},
	{Code: codeReroute, Title: "names are out of reach while addresses are rerouted", Severity: schema.Info, Certainty: documented, Source: sourceProcess, Checks: []string{"C30"}, Waivable: true,
		Doc: "Before the reinstallation the service addresses go from the source to the transit server, and back afterwards. Names on external DNS are out of reach for that time, " +
			"about a minute each way. Names on the provider's DNS have none of it: they point to the transit server since their account has moved.",
		Remedy: "Tell the owners; `stopover notices` does."},
	{Code: codeMXRemove, Title: "the process wants a mail record deleted", Severity: schema.Warning, Certainty: documented, Source: sourceProcess, Checks: []string{"C31"}, Waivable: true,
		Doc: "The version of 2021 of the process says: for a domain on external DNS with mail here, delete the MX of priority 5 that names the server before the account moves, " +
			"and keep the others. The advice was withdrawn as wrong in November 2024, and the process of 2025 does not have it. Stopover changes no record. " +
			"If it is the only MX of the domain, deleting it would stop the mail: the summary says so.",
		Remedy: "Make sure that the other MX records exist, delete this one, and wait for its time to live. Or use the process of 2025."},
	{Code: codeMXKept, Title: "a mail record that names the server stays", Severity: schema.Info, Certainty: documented, Source: sourceProcess, Checks: []string{"C31"}, Waivable: true,
		Doc: "Earlier versions of the process wanted this MX record deleted. That was withdrawn: leave it as it is."},
	{Code: codeMXMissing, Title: "a mail domain has no MX record", Severity: schema.Warning, Certainty: observed, Checks: []string{"C31"}, Waivable: true,
		Doc: "The account has mailboxes of this domain. Without an MX record senders use the domain's address, if there is one: " +
			"then mail goes where the site is, and follows it only as the site does.",
		Remedy: "Add the MX records that the hosting company publishes, or remove the mailboxes."},
	{Code: codeSPF, Title: "an SPF record allows the source and not the transit server", Severity: schema.Warning, Certainty: documented, Source: sourceDNS, Checks: []string{"C32"}, Waivable: true,
		Doc:    "The record lists an address of the source. Mail that is sent from the transit server comes from other addresses, and receivers that look at SPF may refuse it.",
		Remedy: "Add the transit server's outgoing addresses to the record for the time of the journey, or use the hosting company's `include:`."},
}
