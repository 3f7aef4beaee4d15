package local

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent/files"
	"github.com/stopover/stopover/schema"
)

// maxLinks bounds what a survey lists of one account: somebody who has more has
// one reason for all of them.
const maxLinks = 100

// maxHops is how many links one after the other the kernel follows.
const maxHops = 40

// What following costs: each name on the way counts. A home of a few hundred
// links that lead through each other, down and up again, would keep a survey
// busy for minutes.
const (
	linkSteps     = 200_000 // of one account
	linkStepsEach = 64      // and of each link more: those of millions are short
)

// linksOut lists the symbolic links of a home that lead out of it. Nothing is
// opened: what the links say is in the listing.
func linksOut(l *files.Listing) (out []schema.Link, more bool) {
	steps := linkSteps
	l.Walk(func(path string, e files.Entry) {
		if e.Mode&unix.S_IFMT != unix.S_IFLNK {
			return
		}
		steps += linkStepsEach
		if steps <= 0 {
			more = true
			return
		}
		if !leadsOut(l, path, &steps) {
			more = more || steps <= 0
			return
		}
		if len(out) == maxLinks {
			more = true
			return
		}
		out = append(out, schema.Link{Path: path, Target: e.Target})
	})
	return out, more
}

// leadsOut follows a link within the home, as the kernel would. An absolute
// target counts as outside, even one that names this very home: the home lies
// somewhere else on another server, and this one's is dead then. Where the way
// ends at something missing, what is left of it is looked at as it is written.
// No more than steps names are looked at, of which it takes those that it did.
func leadsOut(l *files.Listing, link string, steps *int) bool {
	at := []string{}
	todo := strings.Split(link, "/")
	for hops := 0; len(todo) > 0; {
		if *steps--; *steps <= 0 {
			return false
		}
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return true
			}
			at = at[:len(at)-1]
			continue
		}
		e, _ := l.Lookup(strings.Join(append(at, name), "/"))
		if e.Mode&unix.S_IFMT != unix.S_IFLNK {
			at = append(at, name)
			continue
		}
		if strings.HasPrefix(e.Target, "/") {
			return true
		}
		if hops++; hops > maxHops {
			return false // a ring: it leads nowhere
		}
		todo = append(strings.Split(e.Target, "/"), todo...)
	}
	return false
}
