//go:build linux

package testbed

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// lookup reads the number of a name from a file like /etc/passwd. The C
// library's way would load modules of the machine into a host of another
// release.
func lookup(path, name string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Split(line, ":"); len(f) > 2 && f[0] == name {
			return strconv.Atoi(f[2])
		}
	}
	return 0, fmt.Errorf("%s does not know %q", path, name)
}

func (d runDir) make() error {
	uid, err := lookup("/etc/passwd", d.owner)
	if err != nil {
		return err
	}
	gid, err := lookup("/etc/group", d.group)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.path, 0o755); err != nil {
		return err
	}
	if err := os.Chown(d.path, uid, gid); err != nil {
		return err
	}
	return os.Chmod(d.path, d.mode)
}
