package plan

import (
	"fmt"

	"github.com/stopover/stopover/schema"
)

// checkCapacity stops the accounts that do not fit on the server that they go
// to next, in the order of their moves.
func (b *builder) checkCapacity() {
	from, to := sideSource, b.t
	if b.reinstalled {
		from, to = sideTransit, b.s
	}
	knowsBytes := to.found.FreeBytes > 0 || to.found.TotalBytes > 0
	knowsInodes := to.found.FreeInodes > 0 || to.found.TotalInodes > 0
	if !to.present || !knowsBytes && !knowsInodes {
		return // nobody said
	}
	bytes, inodes := to.found.FreeBytes, to.found.FreeInodes
	var needBytes, needInodes int64
	var out []*account
	for _, a := range b.accounts {
		if a.found != from || a.stop <= iInstall || a.live == nil {
			continue
		}
		n, i := needs(a, to)
		needBytes, needInodes = needBytes+n, needInodes+i
		if knowsBytes && n > bytes || knowsInodes && i > inodes {
			out = append(out, a)
			continue
		}
		bytes, inodes = bytes-n, inodes-i
	}
	phase := iInstall
	if b.reinstalled {
		phase = iReinstall
	}
	for _, a := range out {
		a.halt(codeCapacity, phase)
	}
	if len(out) > 0 {
		b.report(codeCapacity, "", to.name, "", fmt.Sprintf("%s has %s and %d inodes free, %s and %d inodes are still to come: %s not fit, first %s",
			to.name, size(to.found.FreeBytes), to.found.FreeInodes, size(needBytes), needInodes, doDoes(len(out)), out[0].name))
	}
}

// needs is what a copy of the account still takes on a server.
func needs(a *account, to *place) (bytes, inodes int64) {
	bytes, inodes = a.live.Bytes(), inodesOf(a.live)
	if have := to.index[a.name]; have != nil && have != a.live {
		bytes -= have.Bytes()
		inodes -= inodesOf(have)
	}
	return max(bytes, 0), max(inodes, 0)
}

// inodesOf is how many inodes an account takes: its files and directories, its
// messages, the four directories of each mailbox, and one file for each
// database, which is the least that any engine has.
func inodesOf(f *schema.FoundAccount) int64 {
	return f.Files.Entries + f.Mail.Messages + 4*int64(len(f.Mail.Mailboxes)) + int64(len(f.Databases))
}

// size is a number of bytes for people, in powers of 1024.
func size(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v /= 1024
		u++
	}
	if u == 0 {
		return fmt.Sprintf("%d %s", n, units[0])
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}

func doDoes(n int) string {
	if n == 1 {
		return "1 account does"
	}
	return itoa(int64(n)) + " accounts do"
}
