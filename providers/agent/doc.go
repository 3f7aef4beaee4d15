// Package agent is the typed protocol spoken to a server, its client, and the
// agent itself: the program on a server that alone changes records, closes and
// opens accounts, and passes their bytes to the other server's agent.
//
// The protocol runs over any byte stream: calls with deadlines, cancellation
// and streams by gRPC, messages in CBOR. Sizes are bounded on both ends and the
// version is part of every call, so neither end has to trust the other.
package agent
