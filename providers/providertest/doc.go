// Package providertest is the one conformance suite that every provider with
// agents of its own passes. It speaks to servers only as the runner does,
// through providers.Server, and looks behind the provider's back (at trees,
// rows and addresses) to see whether what it was told is true.
package providertest
