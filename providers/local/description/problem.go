package description

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stopover/stopover/schema"
)

// Problem is one thing that is wrong with a description.
type Problem struct {
	At      string // the field, as in domains[1].name
	Message string
}

// Problems is everything that is wrong with one description; never empty.
type Problems []Problem

// Error lists the problems, one after the other on one line.
func (p Problems) Error() string {
	parts := make([]string, len(p))
	for i, e := range p {
		parts[i] = e.At + ": " + e.Message
	}
	return strings.Join(parts, "; ")
}

// problems collects what is wrong while a description is checked.
type problems struct{ list Problems }

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	return p.list
}

func (p *problems) check(ok bool, at, format string, args ...any) {
	if !ok {
		p.list = append(p.list, Problem{at, fmt.Sprintf(format, args...)})
	}
}

func (p *problems) once(seen map[string]bool, at, name string) {
	p.check(!seen[name], at, "%q is there twice", name)
	seen[name] = true
}

func (p *problems) port(at string, n int) {
	p.check(n >= 0 && n <= 65535, at, "%d is not a port", n)
}

// user accepts 0 (none) and what belongs to people: killing "everything of this
// user" must never be able to mean a system service or root.
func (p *problems) user(at string, id int) {
	p.check(id == 0 || id >= 1000 && id <= 1<<31-1 && id != 65534 && id != 65535, at, "%d is not an account's own id (from 1000 on)", id)
}

// name accepts what people call things. It may hold anything that can be
// escaped; where it becomes a file name it is.
func (p *problems) name(at, name string) {
	switch _, err := schema.EscapeName(name); {
	case name == "":
		p.check(false, at, "is empty")
	case err != nil || len(name) > 100:
		p.check(false, at, "%.40q… is too long", name)
	}
}

// element accepts what is used as one element of a path as it is.
func (p *problems) element(at, name string) {
	if err := checkElement(name); err != nil {
		p.check(false, at, "%v", err)
	}
}

func (p *problems) local(at, path string) {
	ok := filepath.IsLocal(path) && filepath.Clean(path) == path && !strings.ContainsRune(path, 0) && len(path) < 1024
	p.check(ok, at, "%q is not a plain relative path", path)
}

func (p *problems) domain(at, name string) {
	if err := CheckDomain(name); err != nil {
		p.check(false, at, "%v", err)
	}
}

func checkElement(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("is empty")
	case len(name) > 200:
		return fmt.Errorf("%.40q… is too long", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not UTF-8", name)
	case name[0] == '.' || name[0] == '-':
		return fmt.Errorf("%q begins with %q", name, name[:1])
	}
	for _, r := range name {
		if r == '/' || unicode.IsControl(r) {
			return fmt.Errorf("%q holds %q", name, r)
		}
	}
	return nil
}

// CheckUser refuses the local part of a mail address that cannot be the name
// of a mailbox's folder. Addresses from the outside go through it too.
func CheckUser(user string) error {
	if strings.ContainsRune(user, '@') {
		return fmt.Errorf("%q holds an @", user)
	}
	return checkElement(user)
}

// CheckDomain refuses what is not a domain name in lower case. Names from the
// outside go through it too, before they become part of a path.
func CheckDomain(name string) error {
	if name == "" || len(name) > 253 {
		return fmt.Errorf("%.40q is not a domain name", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("%q is not a domain name", name)
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return fmt.Errorf("%q is not a domain name in lower case (write names in other scripts as xn--…)", name)
			}
		}
	}
	return nil
}
