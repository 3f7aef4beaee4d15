// Package serve is stopover-agent's own end: it answers on standard input and
// output, stays out of the way of what the server is for, and ends when nobody
// is there any more.
package serve
