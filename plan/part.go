package plan

import (
	"strings"

	"github.com/stopover/stopover/schema"
)

var (
	partsFiles  = []string{PartFiles}
	partsNoMail = []string{PartFiles, PartDatabases}
	partsNoData = []string{PartFiles, PartMail}
	partsAll    = []string{PartFiles, PartMail, PartDatabases}
)

// partsOf are the parts that an account has on either side: what is only on the
// inactive copy has to go there too. The lists are shared, never written to.
func partsOf(a *account) []string {
	mail, data := false, false
	for _, f := range []*schema.FoundAccount{a.s, a.t} {
		if f == nil {
			continue
		}
		mail = mail || len(f.Mail.Mailboxes) > 0 || f.Mail.Messages > 0
		data = data || len(f.Databases) > 0
	}
	switch {
	case mail && data:
		return partsAll
	case mail:
		return partsNoData
	case data:
		return partsNoMail
	}
	return partsFiles
}

// bytesOf is the size of one part.
func bytesOf(f *schema.FoundAccount, part string) int64 {
	if f == nil {
		return 0
	}
	switch part {
	case PartFiles:
		return f.Files.Bytes
	case PartMail:
		return f.Mail.Bytes
	}
	return f.DatabaseBytes()
}

// entriesOf counts what is inside of one part.
func entriesOf(f *schema.FoundAccount, part string) int64 {
	switch {
	case f == nil:
		return 0
	case part == PartFiles:
		return f.Files.Entries
	case part == PartMail:
		return f.Mail.Messages
	}
	return int64(len(f.Databases))
}

// objectsOf names what is inside of one part; files are too many to be named.
func objectsOf(f *schema.FoundAccount, part string) []string {
	switch {
	case f == nil || part == PartFiles:
		return nil
	case part == PartMail:
		return f.Mail.Mailboxes
	}
	out := make([]string, len(f.Databases))
	for i, d := range f.Databases {
		out[i] = d.Engine + "/" + d.Name
	}
	return out
}

// finalMethod is how a part is brought up to date within the cut. A SQLite
// database in WAL mode shows what changed; one that is not has to be compared
// whole; a server's databases are dumped.
func finalMethod(f *schema.FoundAccount, part string) string {
	if part != PartDatabases || f == nil {
		return "final"
	}
	var wal, whole, dump bool
	for _, d := range f.Databases {
		switch {
		case d.Engine != "sqlite":
			dump = true
		case strings.EqualFold(d.Mode, "wal"):
			wal = true
		default:
			whole = true
		}
	}
	method := ""
	for _, m := range []struct {
		used bool
		name string
	}{{wal, "wal"}, {whole, "whole"}, {dump, "dump"}} {
		switch {
		case !m.used:
		case method == "":
			method = m.name
		default:
			method += "+" + m.name
		}
	}
	if method == "" {
		return "final"
	}
	return method
}

// onNew says what becomes of an object that is new after the freeze.
func onNew(part string) string {
	if part == PartDatabases {
		return "move by whole"
	}
	return "move by final"
}

// copied says whether a receiver already holds a bulk copy of a part, read from
// the owner of that epoch. A prepared copy was complete.
func copied(f *schema.FoundAccount, part string, epoch uint64) bool {
	if f == nil {
		return false
	}
	if f.Owner.State == schema.StatePrepared && f.Owner.Epoch == epoch+1 {
		return true
	}
	for _, c := range f.Copied {
		if c.Part == part && c.Epoch == epoch {
			return true
		}
	}
	return false
}
