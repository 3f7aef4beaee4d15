package sqlite

import (
	"os"
	"testing"
)

// flip changes one byte; doing it again undoes it.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// moved is a database moved up to the comparison: some blocks are in the WAL,
// the file has grown, most blocks are as they were. The hold is kept.
func moved(t *testing.T, beforeWarm func(m *move)) (*move, warmed) {
	t.Helper()
	m := newMove(t, "app.db")
	m.create("wal", 800)
	p := startProgram(t, m.src)
	m.open()
	m.pass()
	if beforeWarm != nil {
		beforeWarm(m)
	}
	w := m.warm()
	p.do("UPDATE other SET b = randomblob(3000) WHERE rowid BETWEEN 300 AND 310")
	p.do("INSERT INTO other SELECT randomblob(3000) FROM other LIMIT 100")
	p.do("INSERT INTO acks VALUES(1, 'a')")
	p.kill()
	m.base = Manifest{}
	m.manifest()
	return m, w
}

func TestCompareFindsFlippedBytes(t *testing.T) {
	m, w := moved(t, nil)
	m.final()
	cut := m.mustEqual(w)
	if cut.Whole {
		t.Fatalf("whole: %q", cut.Notes)
	}
	warmBlocks := int64(len(w.origin.Sums.Blocks) / 32)
	all := cut.Sums.Size / BlockSize
	if warmBlocks >= all || len(cut.Touched) >= int(all) {
		t.Fatalf("%d of %d blocks touched, %d before: the case is not tested", len(cut.Touched), all, warmBlocks)
	}
	places := map[string]int64{
		"first byte":             0,
		"header":                 30,
		"change counter":         27,
		"last byte":              cut.Sums.Size - 1,
		"grown":                  warmBlocks*BlockSize + 5,
		"last block before":      warmBlocks*BlockSize - 3,
		"first of a touched":     cut.Touched[1] * BlockSize,
		"last byte of a touched": (cut.Touched[1]+1)*BlockSize - 1,
	}
	for name, at := range places {
		flip(t, m.dst, at)
		v, _ := m.compare(w)
		if v.Equal || len(v.Differing) != 1 || v.Differing[0] != at/BlockSize {
			t.Errorf("%s at the receiver: equal %v, differing %v", name, v.Equal, v.Differing)
		}
		flip(t, m.dst, at)
	}
	if v, _ := m.compare(w); !v.Equal {
		t.Fatal("the flips were not undone")
	}
	// Without hashes from before, every block counts, on either side.
	for i := range all {
		for side, path := range map[string]string{"origin": m.src, "receiver": m.dst} {
			at := i*BlockSize + (i*7919)%BlockSize
			if side == "origin" && inWAL(t, m, at) {
				continue // SQLite reads these bytes from the WAL
			}
			flip(t, path, at)
			if v, _ := m.compare(warmed{}); v.Equal {
				t.Errorf("byte %d at the %s went unnoticed", at, side)
			}
			flip(t, path, at)
		}
	}
	// A damaged WAL ends where the damage is.
	for _, at := range []int64{0, 12, 17, 26, 32, 36, 40, 48, 100, 5000} {
		flip(t, m.src+walSuffix, at)
		if v, _ := m.compare(w); v.Equal {
			t.Errorf("byte %d of the WAL went unnoticed", at)
		}
		flip(t, m.src+walSuffix, at)
	}
	m.mustEqual(w)
	for _, size := range []int64{cut.Sums.Size - 1, cut.Sums.Size - 4096, cut.Sums.Size + 1, cut.Sums.Size + BlockSize} {
		if err := os.Truncate(m.dst, size); err != nil {
			t.Fatal(err)
		}
		if v, _ := m.compare(w); v.Equal {
			t.Errorf("size %d instead of %d went unnoticed", size, cut.Sums.Size)
		}
	}
}

// inWAL says whether SQLite reads a byte from the WAL: flipping it in the file changes no hash.
func inWAL(t *testing.T, m *move, at int64) bool {
	t.Helper()
	if st, err := os.Stat(m.src); err != nil || at >= st.Size() {
		return true
	}
	before, cut := m.compare(warmed{})
	flip(t, m.src, at)
	after, _ := m.compare(warmed{})
	flip(t, m.src, at)
	same := string(before.Origin) == string(after.Origin)
	if same && cut.Frames == 0 {
		t.Errorf("byte %d: a flip changed nothing, and there is no WAL", at)
	}
	return same
}

// Blocks that the cut does not touch: damage before they were hashed is found there, in the cut.
func TestCompareFindsEarlyDamage(t *testing.T) {
	for _, side := range []string{"origin", "receiver"} {
		t.Run(side, func(t *testing.T) {
			const at = 3*BlockSize + 77
			m, w := moved(t, func(m *move) {
				path := m.dst
				if side == "origin" {
					path = m.src
				}
				flip(t, path, at)
				m.base = Manifest{}
			})
			m.t = t
			if side == "receiver" {
				// The copier has its own way to notice: it sends the block again. The comparison is told.
				m.final()
				v, _ := m.compare(w)
				if v.Equal {
					t.Fatal("a hash of the damaged block was taken for good")
				}
				m.mustEqual(warmed{})
				return
			}
			m.final()
			v, cut := m.compare(w)
			if v.Equal || cut.Whole || len(v.Differing) != 1 || v.Differing[0] != 3 {
				t.Fatalf("equal %v, whole %v, differing %v", v.Equal, cut.Whole, v.Differing)
			}
		})
	}
}

func TestCompareRefusesWhatIsNotAtRest(t *testing.T) {
	m, w := moved(t, nil)
	m.final()
	copyFile(t, m.src+walSuffix, m.dst+walSuffix)
	if _, err := sqliteReceiver(m, w); err == nil {
		t.Error("a WAL at the receiver was accepted")
	}
	if err := os.Remove(m.dst + walSuffix); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.src+journalSuffix, []byte("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7 and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqliteOrigin(m, w); err == nil {
		t.Error("a hot journal at the origin was accepted")
	}
}
