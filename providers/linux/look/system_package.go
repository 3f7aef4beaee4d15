//go:build linux

package look

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// packages lists what the package manager has installed. The second result
// names the manager; empty: none that is known.
func (r root) packages(ctx context.Context) ([]schema.Software, string, error) {
	if f, err := r.open("/var/lib/dpkg/status"); err == nil {
		defer f.Close()
		list, _, err := readStatus(f)
		return list, "dpkg", err
	}
	for _, p := range []string{"/usr/bin/rpm", "/bin/rpm"} {
		if r.exists(p) {
			out, err := r.run(ctx, p, "-qa", "--queryformat", "%{NAME}\t%{VERSION}-%{RELEASE}\n")
			return tabbed(out), "rpm", err
		}
	}
	if b, err := r.read("/lib/apk/db/installed", bigFile); err == nil {
		return readApk(b), "apk", nil
	}
	return nil, "", nil
}

// maxPackages is more than any distribution has.
const maxPackages = 200_000

// readStatus reads dpkg's list of packages as a stream: those that are
// installed, and the settings files of every package with the digest that they
// had when they were installed.
func readStatus(in io.Reader) (list []schema.Software, conffiles map[string]string, err error) {
	conffiles = map[string]string{}
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 64<<10), 4<<20)
	var name, version, status, field string
	end := func() {
		// "install ok installed"; also "hold ok unpacked": its files are there
		if f := strings.Fields(status); name != "" && len(f) == 3 && f[2] != "not-installed" && f[2] != "config-files" {
			list = append(list, schema.Software{Name: name, Version: version})
		}
		name, version, status, field = "", "", "", ""
	}
	for s.Scan() && len(list) < maxPackages {
		line := s.Text()
		if line == "" {
			end()
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if f := strings.Fields(line); field == "Conffiles" && len(f) >= 2 && len(conffiles) < maxPackages {
				conffiles[f[0]] = f[1]
			}
			continue
		}
		var v string
		field, v, _ = strings.Cut(line, ":")
		switch v = strings.TrimSpace(v); field {
		case "Package":
			name = v
		case "Version":
			version = v
		case "Status":
			status = v
		}
	}
	end()
	sortSoftware(list)
	return slices.Compact(list), conffiles, s.Err()
}

func sortSoftware(list []schema.Software) {
	slices.SortFunc(list, func(x, y schema.Software) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Version, y.Version))
	})
}

// tabbed reads "name TAB version" lines.
func tabbed(out []byte) (list []schema.Software) {
	lines(out, func(_ int, line string) bool {
		if n, v, ok := strings.Cut(line, "\t"); ok {
			list = append(list, schema.Software{Name: n, Version: v})
		}
		return len(list) < maxPackages
	})
	sortSoftware(list)
	return slices.Compact(list)
}

// readApk reads Alpine's list of packages.
func readApk(b []byte) (list []schema.Software) {
	for p := range bytes.SplitSeq(b, []byte("\n\n")) {
		var s schema.Software
		lines(p, func(_ int, line string) bool {
			switch k, v, _ := strings.Cut(line, ":"); k {
			case "P":
				s.Name = v
			case "V":
				s.Version = v
			}
			return true
		})
		if s.Name != "" && len(list) < maxPackages {
			list = append(list, s)
		}
	}
	sortSoftware(list)
	return slices.Compact(list)
}
