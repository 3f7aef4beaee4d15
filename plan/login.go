package plan

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// checkUserThere looks for users of the target's system that are in the way:
// of the same id, or of the same name, and no accounts.
func (b *builder) checkUserThere(p *passage) {
	if p.there == nil || p.live.UID == 0 || p.to.index[p.name] != nil {
		return
	}
	c := p.to.catalogued()
	if u := c.userNamed[p.name]; u != nil && u.UID != p.live.UID {
		b.refuseSeen(p, codeUserThere, u.Name, p.to.name+" has a user "+u.Name+" with the user id "+strconv.Itoa(u.UID)+", which is no account there", nil)
	}
	for _, u := range c.usersOf[p.live.UID] {
		if u.Name == p.name || p.to.index[u.Name] != nil {
			continue
		}
		uid := strconv.Itoa(u.UID)
		if p.to.can(schema.CanMapUsers) {
			b.altered = append(b.altered, Altered{Account: p.name, Object: "user id", From: uid, To: "a free one", Why: u.Name + " on " + p.to.name + " has it"})
			continue
		}
		b.refuseSeen(p, codeUID, uid, "the user "+u.Name+" of "+p.to.name+" has the user id "+uid+" too", nil)
	}
}

// checkGroups looks for groups that are others there, or none.
func (b *builder) checkGroups(p *passage) {
	u := p.live.User
	if p.there == nil || u == nil || len(p.there.Groups) == 0 {
		return
	}
	byName, byID := p.to.catalogued().groupID, p.to.catalogued().groupName
	gid, named := byName[u.Group]
	switch {
	case u.GID == 0 || p.to.can(schema.CanMapUsers) || p.to.index[p.name] != nil:
	case u.Group != "" && named && gid != u.GID:
		b.refuseSeen(p, codeGroup, u.Group, fmt.Sprintf("its group %s has the id %d here and %d on %s", u.Group, u.GID, gid, p.to.name), nil)
	case u.Group != "" && byID[u.GID] != "" && byID[u.GID] != u.Group:
		b.refuseSeen(p, codeGroup, u.Group, fmt.Sprintf("the id %d of its group %s is that of group %s on %s", u.GID, u.Group, byID[u.GID], p.to.name), nil)
	}
	var missing []string
	for _, g := range u.Groups {
		if _, ok := byName[g]; !ok && g != u.Group {
			missing = append(missing, g)
		}
	}
	if missing = unique(missing); len(missing) > 0 {
		b.reportSeen(codeGroupMissing, p.name, "", "", "it is a member of "+count(len(missing), "group")+" that "+p.to.name+" does not have, first "+missing[0], missing)
	}
}

// checkHome looks at who owns the home and who may write to it.
func (b *builder) checkHome(p *passage) {
	u := p.live.User
	if u == nil || u.Home == "" {
		return
	}
	var seen []string
	if p.live.UID != 0 && u.HomeUID != p.live.UID {
		seen = append(seen, fmt.Sprintf("%s belongs to the user id %d, the account has %d", u.Home, u.HomeUID, p.live.UID))
	}
	if u.Mode&0o002 != 0 {
		seen = append(seen, fmt.Sprintf("%s has the mode %04o: everybody may write to it", u.Home, u.Mode&0o7777))
	}
	if len(seen) > 0 {
		b.reportSeen(codeHomeOwner, p.name, "", "", seen[0], seen)
	}
}

// checkShell looks for the login shell on the target.
func (b *builder) checkShell(p *passage) {
	if p.live.User == nil || p.live.User.Shell == "" {
		return
	}
	shell := p.live.User.Shell
	name := path.Base(shell)
	if p.there != nil && !everywhere(name) && len(p.there.Programs)+len(p.there.Packages) > 0 && !p.isHome(shell) &&
		software(p.there.Programs, name) == nil && software(p.there.Packages, name) == nil {
		b.report(codeShellMissing, p.name, "", name, p.to.name+" does not have its login shell "+shell)
	}
	if slices.Contains([]string{"fish", "csh", "tcsh", "xonsh", "nu", "elvish"}, name) {
		b.report(codeShell, p.name, "", name, "its login shell is "+shell)
	}
}

// everywhere says whether every system has a shell without a package of its name.
func everywhere(shell string) bool {
	return slices.Contains([]string{"sh", "bash", "dash", "rbash", "nologin", "false", "true", "sync"}, strings.ToLower(shell))
}
