//go:build linux

package look

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// conf is the configuration of a web server: its files, each read once.
type conf struct {
	root   root
	parse  func(file string, text []byte) ([]directive, error)
	base   string // what relative paths are relative to
	files  map[string][]directive
	order  []string // in which they were first read
	errs   []error
	walked int
	vars   map[string]string   // Apache's
	globs  map[string][]string // what was included by a pattern
	within []string            // files that are being walked
}

func (r root) nginxConf() *conf {
	return &conf{root: r, parse: parseNginx, base: "/etc/nginx", files: map[string][]directive{}}
}

// read returns the directives of a file. A file that is wrong gives those before
// the mistake, and the mistake is noted.
func (c *conf) read(file string) []directive {
	if list, ok := c.files[file]; ok {
		return list
	}
	if len(c.files) >= maxConfFiles {
		c.note(fmt.Errorf("%s: more than %d files", file, maxConfFiles))
		return nil
	}
	text, err := c.root.read(file, 16<<20)
	if err != nil {
		c.note(err)
		c.files[file] = nil
		return nil
	}
	list, err := c.parse(file, text)
	if err != nil {
		c.note(err)
	}
	c.files[file] = list
	c.order = append(c.order, file)
	return list
}

func (c *conf) note(err error) {
	if len(c.errs) < 20 {
		c.errs = append(c.errs, err)
	}
}

// walk calls f for every directive, files that are included in their places.
// f says whether the block of a directive is walked, too.
func (c *conf) walk(list []directive, f func(d *directive) bool) { c.step(list, 0, f) }

func (c *conf) step(list []directive, depth int, f func(d *directive) bool) {
	if depth > maxDepth {
		c.note(fmt.Errorf("files include each other too deep"))
		return
	}
	for i := range list {
		d := &list[i]
		if c.walked++; c.walked > maxWalked {
			if c.walked == maxWalked+1 {
				c.note(fmt.Errorf("%s:%d: more directives than anybody has written", d.file, d.line))
			}
			return
		}
		if d.is("include") || d.is("IncludeOptional") {
			c.include(d, depth, f)
			continue
		}
		if f(d) && d.open {
			c.step(d.block, depth+1, f)
		}
	}
}

// include walks the files that a directive includes.
func (c *conf) include(d *directive, depth int, f func(d *directive) bool) {
	for _, file := range c.included(d) {
		if slices.Contains(c.within, file) {
			c.note(fmt.Errorf("%s:%d: %s includes itself", d.file, d.line, file))
			continue
		}
		c.within = append(c.within, file)
		c.step(c.read(file), depth+1, f)
		c.within = c.within[:len(c.within)-1]
	}
}

// included are the files that a directive includes, directories of Apache's with
// all that is in them.
func (c *conf) included(d *directive) (files []string) {
	p := c.expand(d.arg(0))
	if p == "" || strings.Contains(p, "\x00") {
		return nil
	}
	if !filepath.IsAbs(p) {
		p = filepath.Join(c.base, p)
	}
	if files, ok := c.globs[p]; ok { // the same snippets are included by every site
		return files
	}
	defer func() {
		if c.globs == nil {
			c.globs = map[string][]string{}
		}
		if len(c.globs) < maxConfFiles {
			c.globs[p] = files
		}
	}()
	for _, m := range c.root.glob(p) {
		if c.root.isDir(m) {
			files = append(files, c.root.glob(filepath.Join(m, "*"))...)
			continue
		}
		files = append(files, m)
	}
	return files
}

// expand puts the values of Apache's variables in: ${NAME}.
func (c *conf) expand(s string) string {
	if c.vars == nil || !strings.Contains(s, "${") {
		return s
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "${")
		b.WriteString(before)
		if !ok || b.Len() > maxLineSize { // variables may hold each other many times
			return b.String()
		}
		name, after, ok := strings.Cut(rest, "}")
		v, known := c.vars[name]
		switch {
		case !ok:
			b.WriteString("${" + rest)
			return b.String()
		case known:
			b.WriteString(v)
		default:
			b.WriteString("${" + name + "}")
		}
		s = after
	}
}
