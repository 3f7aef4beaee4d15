package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// lookout watches from outside whether two servers ever run one account: the
// processes of an account's programs carry the identity of the machine that
// runs them.
type lookout struct {
	w    *world
	stop chan struct{}
	done chan struct{}
	once sync.Once

	mu    sync.Mutex
	looks int64
	wrong []string
}

func newLookout(w *world) *lookout {
	l := &lookout{w: w, stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *lookout) run() {
	defer close(l.done)
	for {
		select {
		case <-l.stop:
			return
		case <-time.After(25 * time.Millisecond):
		}
		l.look()
	}
}

func (l *lookout) say(wrong string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, wrong)
}

func (l *lookout) verdict() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wrong) > 0 {
		return errors.New(l.wrong[0])
	}
	return nil
}

func (l *lookout) close() int64 {
	l.once.Do(func() { close(l.stop) })
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.looks
}

// runs is one process of an account on a machine.
type runs struct{ pid int }

// look takes two pictures: processes of both machines in one picture may be
// the end of one and the beginning of the other, but not if all of them are
// there in the next picture too.
func (l *lookout) look() {
	l.mu.Lock()
	l.looks++
	l.mu.Unlock()
	for account, machines := range accountProcesses(l.w) {
		if len(machines) < 2 {
			continue
		}
		var alive []string
		for machine, list := range machines {
			for _, r := range list {
				if env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.pid), "environ")); err == nil && containsVar(env, "STOPOVER_POCKET="+machine+":") {
					alive = append(alive, machine)
					break
				}
			}
		}
		if len(alive) > 1 {
			l.say(fmt.Sprintf("account %q runs on two machines at once: %s", account, strings.Join(alive, ", ")))
		}
	}
}

// accountProcesses are the processes of the world's accounts, by machine.
func accountProcesses(w *world) map[string]map[string][]runs {
	out := map[string]map[string][]runs{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return out
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil || len(env) == 0 {
			continue
		}
		var home, marker string
		for v := range strings.SplitSeq(string(env), "\x00") {
			if h, ok := strings.CutPrefix(v, "HOME="); ok {
				home = h
			}
			if m, ok := strings.CutPrefix(v, "STOPOVER_POCKET="); ok {
				marker = m
			}
		}
		machine, name, ok := strings.Cut(marker, ":")
		if !ok || !strings.HasPrefix(home, w.dir+"/") {
			continue
		}
		raw, err := hex.DecodeString(name)
		if err != nil {
			continue
		}
		account := string(raw)
		if out[account] == nil {
			out[account] = map[string][]runs{}
		}
		out[account][machine] = append(out[account][machine], runs{pid})
	}
	return out
}
