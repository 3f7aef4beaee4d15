package plan

import "github.com/stopover/stopover/schema"

// catalogue is what a machine tells, by what it is asked for: thousands of
// accounts ask the same. It is made once for each server.
type catalogue struct {
	libraries map[string]bool
	userNamed map[string]*schema.SysUser
	usersOf   map[int][]*schema.SysUser // by id
	groupID   map[string]int
	groupName map[int]string

	// What accounts of the server have, each of the first one by name.
	ports     map[int]string
	databases map[string]string            // by engine/name
	dbUsers   map[string]map[string]string // by engine and name@host; empty: the server's own

	runtimes map[[2]string][2]bool // what offers has said
}

// catalogued makes the catalogue of a server, or returns the one that is there.
func (p *place) catalogued() *catalogue {
	if p.catalogue != nil {
		return p.catalogue
	}
	c := &catalogue{libraries: map[string]bool{}, userNamed: map[string]*schema.SysUser{}, usersOf: map[int][]*schema.SysUser{}, groupID: map[string]int{}, groupName: map[int]string{},
		ports: map[int]string{}, databases: map[string]string{}, dbUsers: map[string]map[string]string{}, runtimes: map[[2]string][2]bool{}}
	p.catalogue = c
	if s := p.found.System; s != nil {
		c.machine(s)
	}
	for _, a := range p.found.Accounts {
		c.account(a)
	}
	return c
}

func (c *catalogue) machine(s *schema.System) {
	for _, l := range s.Libraries {
		c.libraries[l] = true
	}
	for i := range s.Users {
		u := &s.Users[i]
		c.userNamed[u.Name] = u
		c.usersOf[u.UID] = append(c.usersOf[u.UID], u)
	}
	for _, g := range s.Groups {
		c.groupID[g.Name], c.groupName[g.GID] = g.GID, g.Name
	}
	for _, e := range s.Engines {
		for i := range e.Users {
			c.user(e.Name, &e.Users[i], "")
		}
	}
}

func (c *catalogue) account(a *schema.FoundAccount) {
	for _, p := range a.Ports {
		if _, taken := c.ports[p.Port]; !taken {
			c.ports[p.Port] = a.Name
		}
	}
	for _, d := range a.Databases {
		if k := d.Engine + "/" + d.Name; c.databases[k] == "" {
			c.databases[k] = a.Name
		}
	}
	for i := range a.DatabaseUsers {
		c.user(a.DatabaseUsers[i].Engine, &a.DatabaseUsers[i], a.Name)
	}
}

func (c *catalogue) user(engine string, u *schema.DatabaseUser, account string) {
	if c.dbUsers[engine] == nil {
		c.dbUsers[engine] = map[string]string{}
	}
	if name := userText(u); c.dbUsers[engine][name] == "" {
		c.dbUsers[engine][name] = account
	}
}
