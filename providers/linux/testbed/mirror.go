//go:build linux

package testbed

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mirror is where packages come from. Empty fields mean debootstrap's own
// default and no suite of security updates.
type mirror struct{ main, security string }

// sources is the sources.list of a root.
func (m mirror) sources(release string) string {
	main := m.main
	if main == "" {
		main = "http://deb.debian.org/debian"
	}
	out := "deb " + main + " " + release + " main\ndeb " + main + " " + release + "-updates main\n"
	if m.security != "" {
		out += "deb " + m.security + " " + release + "-security main\n"
	}
	return out
}

// mirrors reads from the machine's own package sources where Debian comes
// from: a machine behind a mirror has its roots from that mirror. A machine
// that is not a Debian says nothing about Debian's archive.
func mirrors() mirror {
	release := osRelease("/etc/os-release")
	if release["ID"] != "debian" || release["VERSION_CODENAME"] == "" {
		return mirror{}
	}
	name := release["VERSION_CODENAME"]
	var m mirror
	for _, s := range aptSources("/etc/apt") {
		if m.main == "" && slices.Contains(s.suites, name) && slices.Contains(s.components, "main") {
			m.main = s.uri
		}
		if m.security == "" && (slices.Contains(s.suites, name+"-security") || slices.Contains(s.suites, name+"/updates")) {
			m.security = s.uri
		}
	}
	return m
}

// aptSource is one archive with its suites.
type aptSource struct {
	uri                string
	suites, components []string
}

// aptSources reads both notations of apt, in the order apt reads them.
func aptSources(dir string) []aptSource {
	var out []aptSource
	lists, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*"))
	for _, p := range append([]string{filepath.Join(dir, "sources.list")}, lists...) {
		b, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		switch filepath.Ext(p) {
		case ".list":
			out = append(out, oneLine(string(b))...)
		case ".sources":
			out = append(out, stanzas(string(b))...)
		}
	}
	return slices.DeleteFunc(out, func(s aptSource) bool {
		return !strings.HasPrefix(s.uri, "http://") && !strings.HasPrefix(s.uri, "https://")
	})
}

func oneLine(text string) []aptSource {
	var out []aptSource
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if i := strings.IndexByte(line, '['); i >= 0 {
			j := strings.IndexByte(line, ']')
			if j < i {
				continue
			}
			line = line[:i] + line[j+1:]
		}
		f := strings.Fields(line)
		if len(f) >= 4 && f[0] == "deb" {
			out = append(out, aptSource{uri: f[1], suites: f[2:3], components: f[3:]})
		}
	}
	return out
}

func stanzas(text string) []aptSource {
	var out []aptSource
	for stanza := range strings.SplitSeq(text, "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(stanza) {
			if k, v, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(k, "#") && !strings.HasPrefix(k, " ") {
				fields[strings.ToLower(k)] = strings.TrimSpace(v)
			}
		}
		if !slices.Contains(strings.Fields(fields["types"]), "deb") || strings.EqualFold(fields["enabled"], "no") {
			continue
		}
		for _, uri := range strings.Fields(fields["uris"]) {
			out = append(out, aptSource{uri: uri, suites: strings.Fields(fields["suites"]), components: strings.Fields(fields["components"])})
		}
	}
	return out
}

func osRelease(path string) map[string]string {
	out := map[string]string{}
	f, err := os.Open(path)
	if err != nil {
		return out
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), "="); ok {
			out[k] = strings.Trim(v, `"'`)
		}
	}
	return out
}
