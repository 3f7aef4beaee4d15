package plan

// lists are what the survey's lists of an account are called for people. Never
// written to.
var lists = map[string]string{
	"binaries": "programs and libraries of its own", "certificates": "certificates", "clients": "clients in the logs", "databases": "databases",
	"database_users": "users of databases", "environments": "virtualenvs and packages", "folders": "folders of mailboxes", "hard-links": "files that have several names", "keys": "SSH keys", "lines": "places in files that tie it to this server",
	"mailboxes": "mailboxes", "boxes": "mailboxes", "other": "files outside of its home", "pools": "PHP pools", "ports": "ports", "services": "services", "sites": "sites",
	"tables": "tables", "routines": "stored programs", "timers": "timers and crontab lines", "findings": "findings",
}

// checkTruncated says which lists the survey has cut off. Links and mentions say
// so in their own findings.
func (b *builder) checkTruncated(p *passage) {
	var seen []string
	for _, name := range p.live.Truncated {
		switch words := lists[name]; {
		case name == "links" || name == "mentions":
		case words != "":
			seen = append(seen, words+": there are more than the survey keeps")
		default:
			seen = append(seen, name+": there are more than the survey keeps")
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codeTruncated, p.name, "", "", count(len(seen), "list")+" of the survey "+isAre(len(seen))+" cut off: what stands behind the cut was not checked", seen)
	}
}
