//go:build linux

package look

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// pools reads the PHP-FPM pools that the layout names.
func (r root) pools(layout []string, php []schema.PHP) (list []schema.Pool) {
	for _, g := range layout {
		for _, file := range r.glob(g) {
			b, err := r.read(file, smallFile)
			if err != nil {
				continue
			}
			list = append(list, parsePools(b, file, poolLine(file, php))...)
			if len(list) > maxSites {
				return list
			}
		}
	}
	slices.SortFunc(list, func(x, y schema.Pool) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.File, y.File)) })
	return list
}

var (
	poolDebian = regexp.MustCompile(`^/etc/php/(\d+\.\d+)/`)
	poolRemi   = regexp.MustCompile(`^/etc/opt/remi/php(\d)(\d+)/`)
)

// poolLine is the line of PHP that a pool's file belongs to, by where it lies.
func poolLine(file string, php []schema.PHP) string {
	if m := poolDebian.FindStringSubmatch(file); m != nil {
		return m[1]
	}
	if m := poolRemi.FindStringSubmatch(file); m != nil {
		return m[1] + "." + m[2]
	}
	if len(php) > 0 { // the system's only one; with several its packages put files as above
		return php[len(php)-1].Version
	}
	return ""
}

// parsePools reads the pools of one file. $pool stands for the pool's name.
func parsePools(text []byte, file, line string) (list []schema.Pool) {
	at := map[string]int{}
	for _, e := range parseIni(text) {
		if e.section == "" || e.section == "global" {
			continue
		}
		i, ok := at[e.section]
		if !ok {
			if len(list) >= 10_000 {
				break
			}
			i = len(list)
			at[e.section] = i
			list = append(list, schema.Pool{Name: e.section, PHP: line, File: file, Settings: map[string]string{}})
		}
		p := &list[i]
		v := strings.ReplaceAll(e.value, "$pool", p.Name)
		if len(v) > maxLineSize {
			v = e.value
		}
		switch {
		case e.key == "user":
			p.User = v
		case e.key == "listen":
			p.Listen = v
		case strings.HasPrefix(e.key, "env["):
			p.Settings[e.key] = shown(e.key, v)
		case e.key == "group" || strings.HasPrefix(e.key, "listen."):
		default:
			p.Settings[e.key] = shown(e.key, v)
		}
	}
	return list
}

// poolOf finds the pool that answers on what a site passes requests to.
func poolOf(pools []schema.Pool, pass string) *schema.Pool {
	socket, port, local := endpoint(pass)
	if !local {
		return nil
	}
	for i, p := range pools {
		s, n, _ := endpoint(poolListen(p.Listen))
		if socket != "" && s != "" && sameSocket(s, socket) || port > 0 && n == port {
			return &pools[i]
		}
	}
	return nil
}

// poolListen is how a pool's listen would be passed to: "9000" is a port.
func poolListen(l string) string {
	if l != "" && strings.Trim(l, "0123456789") == "" {
		return "127.0.0.1:" + l
	}
	return l
}

// sameSocket compares paths of sockets; /var/run is /run.
func sameSocket(x, y string) bool {
	clean := func(p string) string { return strings.TrimPrefix(filepath.Clean(p), "/var") }
	if strings.HasPrefix(filepath.Clean(x), "/var/run/") || strings.HasPrefix(filepath.Clean(y), "/var/run/") {
		return clean(x) == clean(y)
	}
	return filepath.Clean(x) == filepath.Clean(y)
}
