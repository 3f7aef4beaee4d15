package sqlitecompare

import (
	"fmt"
	"os"
	"syscall"
)

func stampOf(f *os.File) (Stamp, error) {
	st, err := f.Stat()
	if err != nil {
		return Stamp{}, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return Stamp{}, fmt.Errorf("stat %s: no times", f.Name())
	}
	return Stamp{Ino: sys.Ino, Size: st.Size(), Mtime: st.ModTime().UnixNano(), Ctime: sys.Ctim.Nano()}, nil
}
