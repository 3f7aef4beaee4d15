package program

import (
	"os"
	"slices"
)

// members finds the processes of one account among all others. It remembers
// the sessions and groups that it has seen, so that a process whose relatives
// have all ended since is still known.
type members struct {
	marker  string
	program string // only those of one program; "": of all
	uid     int    // the account's own; 0: none
	groups  map[int]bool
	known   map[int]uint64 // process and its start
	self    int
}

func newMembers(marker, program string, uid int) *members {
	return &members{marker: marker, program: program, uid: uid, groups: map[int]bool{}, known: map[int]uint64{}, self: os.Getpid()}
}

// find returns the account's processes that run now.
func (m *members) find() ([]Process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	byPID := make(map[int]*Process, len(all))
	for i := range all {
		byPID[all[i].PID] = &all[i]
	}
	ours := map[int]bool{}
	for changed := true; changed; {
		changed = false
		for _, p := range all {
			if !ours[p.PID] && p.PID != m.self && p.PID != 1 && m.belongs(p, ours) {
				ours[p.PID], changed = true, true
				m.remember(p, byPID)
			}
		}
	}
	var found []Process
	for _, p := range all {
		if ours[p.PID] {
			found = append(found, p)
		}
	}
	return found, nil
}

func (m *members) belongs(p Process, ours map[int]bool) bool {
	start, known := m.known[p.PID]
	return p.marker == m.marker && (m.program == "" || m.program == p.program) ||
		known && start == p.Start ||
		m.uid != 0 && slices.Contains(p.UIDs, m.uid) ||
		p.marker == "" && (ours[p.Parent] || m.groups[p.Group] || m.groups[p.Session])
}

// remember keeps the session and group of a member if a member leads them. A
// program that was started from somebody's shell would otherwise make the whole
// session of that shell ours.
func (m *members) remember(p Process, byPID map[int]*Process) {
	m.known[p.PID] = p.Start
	for _, id := range []int{p.Group, p.Session} {
		leader := byPID[id]
		if id > 1 && (id == p.PID || leader != nil && leader.marker == m.marker && (m.program == "" || m.program == leader.program)) {
			m.groups[id] = true
		}
	}
}
