// Package ssh reaches Linux servers over SSH: it dials, runs commands and
// streams, and tells what went wrong in words that name the server and the
// remedy.
//
// It never trusts a server that known_hosts does not know, never asks anybody,
// and never puts a secret in an argument, a log line or an error. What a server
// sends is bounded everywhere: a hostile one can end its own connection and
// nothing else.
//
// # Settings
//
// What a Target leaves out comes from an OpenSSH client configuration, by
// default ~/.ssh/config of the user; the one of the system is not read. Of it
// are honoured: Host, HostName, Port, User, IdentityFile, IdentitiesOnly,
// IdentityAgent, CertificateFile, UserKnownHostsFile, GlobalKnownHostsFile,
// HostKeyAlias, ProxyJump, ConnectTimeout, ServerAliveInterval,
// ServerAliveCountMax, PubkeyAuthentication, Ciphers, MACs, KexAlgorithms,
// HostKeyAlgorithms, Include, Match all, and Match host where it says the same
// for the name that was given and for its HostName.
//
// Refused, because a connection without them would be another one than the user
// described: ProxyCommand, KnownHostsCommand, RevokedHostKeys, PKCS11Provider,
// CanonicalizeHostname, RequiredRSASize, BindAddress, BindInterface,
// CASignatureAlgorithms and PubkeyAcceptedAlgorithms (unless they only add), and
// every other Match.
//
// Everything else is ignored, which leaves the connection as safe or safer:
// nothing is forwarded or multiplexed, host keys are always checked strictly
// whatever StrictHostKeyChecking says, and known_hosts is never written to.
package ssh
