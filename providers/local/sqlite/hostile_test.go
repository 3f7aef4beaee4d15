//go:build linux

package sqlite

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// journalNaming is a hot rollback journal that names a file to delete after the rollback.
func journalNaming(victim string, pages int64) []byte {
	j := make([]byte, 512)
	copy(j, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
	binary.BigEndian.PutUint32(j[16:], uint32(pages)) // before the transaction
	binary.BigEndian.PutUint32(j[20:], 512)
	binary.BigEndian.PutUint32(j[24:], 4096)
	var sum uint32
	for i := range len(victim) {
		sum += uint32(victim[i])
	}
	j = binary.BigEndian.AppendUint32(j, 0x40000000/4096+1)
	j = append(j, victim...)
	j = binary.BigEndian.AppendUint32(j, uint32(len(victim)))
	j = binary.BigEndian.AppendUint32(j, sum)
	return append(j, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"...)
}

// An account must not make an agent that is root delete files.
func TestJournalThatNamesAVictim(t *testing.T) {
	if os.Geteuid() != 0 {
		notHere(t, "needs root")
	}
	for _, mode := range []string{"wal", "delete"} {
		t.Run(mode, func(t *testing.T) {
			m := newMove(t, "app.db")
			m.create(mode, 1)
			chown(t, m)
			// SQLite asks for a name of this form and for this content, so the harm is limited; older versions do not.
			victim := filepath.Join(t.TempDir(), "victim-mjABCDEF9AB")
			plant := func() {
				t.Helper()
				st, err := os.Stat(m.src)
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(os.WriteFile(victim, append([]byte(m.src+journalSuffix), 0), 0o644), os.WriteFile(m.src+journalSuffix, journalNaming(victim, st.Size()/4096), 0o666)); err != nil {
					t.Fatal(err)
				}
			}
			exists := func() bool { _, err := os.Stat(victim); return err == nil }

			plant()
			s, err := OpenOrigin(m.ctx, m.keeper, At(m.src), Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Final(m.ctx, Manifest{}, discard{})
			t.Logf("final: %v", err)
			s.Close()
			if _, err := Inspect(m.ctx, m.keeper, At(m.src), InspectOptions{}); err != nil {
				t.Error(err)
			}
			if !exists() {
				t.Fatal("the victim was deleted")
			}

			// With root's rights SQLite does delete it: the test tests something.
			plant()
			p, err := openPlace(At(m.src))
			if err != nil {
				t.Fatal(err)
			}
			defer p.close()
			c, err := connect(m.ctx, p, identity{}, openWrite)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("as root: %v", c.touch(m.ctx))
			c.close()
			if exists() {
				t.Error("the journal does no harm even to root: the case is not tested")
			}
		})
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// An account must not bring the agent down by cutting the file that SQLite maps.
func TestShmCutUnderTheAgent(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 50)
	m.open()
	m.pass()
	if err := os.Truncate(m.src+shmSuffix, 0); err != nil {
		t.Fatal(err)
	}
	r := m.pass()
	if r.Held || len(r.Notes) == 0 {
		t.Fatalf("held %v, notes %q: the case is not tested", r.Held, r.Notes)
	}
	t.Log(r.Notes)
	m.final()
	m.mustEqual(warmed{})
}

// The rights are dropped on one thread only, and come back.
func TestRightsStayOnTheThread(t *testing.T) {
	if os.Geteuid() != 0 {
		notHere(t, "needs root")
	}
	private := filepath.Join(t.TempDir(), "private")
	if err := os.WriteFile(private, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() error {
		f, err := os.Open(private)
		if err == nil {
			f.Close()
		}
		return err
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				err := identity{uid: 12345, gid: 12345, drop: true}.run(func() error {
					if err := read(); !errors.Is(err, syscall.EACCES) {
						t.Errorf("as the account: %v", err)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				if err := read(); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				runtime.Gosched()
			}
		})
		wg.Go(func() {
			for range 200 {
				if err := read(); err != nil {
					t.Errorf("elsewhere: %v", err)
				}
				time.Sleep(10 * time.Microsecond)
			}
		})
	}
	wg.Wait()
	groups, err := os.Getgroups()
	t.Log(groups, err)
}
