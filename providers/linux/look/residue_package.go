//go:build linux

package look

import (
	"bufio"
	"context"
	"path/filepath"
	"strings"
)

// packages notes the files of packages that lie in the places. The lists are
// read as streams: a machine has hundreds of thousands of such files.
func (o *whose) packages(ctx context.Context) error {
	note := func(p string) {
		if p = strings.TrimSpace(p); o.inPlaces(p) && len(o.owned) < 5_000_000 {
			o.owned[filepath.Clean(p)] = true
			o.noteAbove(filepath.Clean(p))
		}
	}
	for _, f := range o.r.glob("/var/lib/dpkg/info/*.list") {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := o.r.stream(f, note); err != nil {
			return err
		}
	}
	// ucf keeps settings for packages whose list does not have them: "digest  path".
	if o.r.isFile("/var/lib/ucf/hashfile") {
		if err := o.r.stream("/var/lib/ucf/hashfile", func(line string) {
			if _, p, ok := strings.Cut(line, "  "); ok {
				note(p)
			}
		}); err != nil {
			return err
		}
	}
	if !o.r.isDir("/var/lib/dpkg") {
		for _, p := range []string{"/usr/bin/rpm", "/bin/rpm"} {
			if o.r.exists(p) {
				out, err := o.r.runLarge(ctx, 128<<20, p, "-qa", "--queryformat", `[%{FILENAMES}\n]`)
				lines(out, func(_ int, line string) bool { note(line); return true })
				return err
			}
		}
	}
	return nil
}

// stream calls f for every line of a file.
func (r root) stream(path string, f func(line string)) error {
	file, err := r.open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	s := bufio.NewScanner(file)
	s.Buffer(make([]byte, 64<<10), smallFile)
	for s.Scan() {
		f(s.Text())
	}
	return s.Err()
}
