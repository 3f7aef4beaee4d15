package program

import (
	"fmt"
	"sync"
)

// entry is one account.
type entry struct {
	op      sync.Mutex // one Start or StopAll at a time
	mu      sync.Mutex // guards what follows
	account Account
	units   map[string]*unit // by program marker; nil when stopped
}

func (m *Manager) entry(name string) (*entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fmt.Errorf("programs of %q: the manager is closed", name)
	}
	e := m.known[name]
	if e == nil {
		e = &entry{}
		m.known[name] = e
	}
	return e, nil
}

// stopUnits stops supervising; it returns when nothing can be started any more.
func (e *entry) stopUnits() []*unit {
	units := e.all()
	var stopped []*unit
	for key, u := range units {
		u.stop()
		e.remove(key)
		stopped = append(stopped, u)
	}
	return stopped
}

func (e *entry) unit(key string) *unit {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.units[key]
}

func (e *entry) add(key string, u *unit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.units[key] = u
}

func (e *entry) remove(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.units, key)
}

func (e *entry) all() map[string]*unit {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make(map[string]*unit, len(e.units))
	for k, u := range e.units {
		all[k] = u
	}
	return all
}
