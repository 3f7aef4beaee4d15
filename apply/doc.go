// Package apply does what a plan says: it claims the servers, performs the
// steps in an order that their edges allow, and writes the journal before and
// after each. It decides nothing; it may only refuse, and give a cutover up
// before its switch. It never prints: whoever watches gets events.
//
// After a crash nothing here is resumed: a new plan is computed from what the
// servers say, and that is run.
package apply
