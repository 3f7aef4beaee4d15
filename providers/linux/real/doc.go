// Package real holds tests of the provider on real hosts: what it finds, that
// it changes nothing, and what it says when something is wrong.
package real
