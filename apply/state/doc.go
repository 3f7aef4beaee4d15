// Package state remembers what no survey can find out: facts, approvals,
// timings, and what a run was doing when it ended. It also holds the lock that
// keeps two runs on one store apart; the servers' claims are the last word when
// two stores disagree.
//
// It decides nothing and speaks to no server. Losing a store loses timings,
// never the way: facts are mirrored on the servers.
package state
