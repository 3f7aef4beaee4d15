package ssh

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// algorithms are those to offer; nil means the library's choice.
type algorithms struct {
	ciphers, macs, exchanges, hostKeys []string
}

func chooseAlgorithms(get func(key string) string) (algorithms, error) {
	good, weak := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	var a algorithms
	for _, l := range []struct {
		key        string
		out        *[]string
		good, weak []string
	}{
		{"Ciphers", &a.ciphers, good.Ciphers, weak.Ciphers},
		{"MACs", &a.macs, good.MACs, weak.MACs},
		{"KexAlgorithms", &a.exchanges, good.KeyExchanges, weak.KeyExchanges},
		{"HostKeyAlgorithms", &a.hostKeys, good.HostKeys, weak.HostKeys},
	} {
		var err error
		if *l.out, err = choose(get(l.key), l.good, l.weak); err != nil {
			return a, fmt.Errorf("%s: %w", l.key, err)
		}
	}
	return a, nil
}

// choose reads a list as OpenSSH does: "+" adds to the default, "-" takes from
// it, "^" prefers. What the library does not speak cannot be offered.
func choose(list string, good, weak []string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	sign := list[0]
	named := strings.Split(strings.TrimLeft(list, "+-^"), ",")
	var spoken []string
	for _, n := range named {
		for _, a := range append(slices.Clone(good), weak...) {
			if ok, _ := path.Match(n, a); ok && !slices.Contains(spoken, a) {
				spoken = append(spoken, a)
			}
		}
	}
	var out []string
	switch sign {
	case '+':
		out = append(slices.Clone(good), spoken...)
	case '^':
		out = append(spoken, good...)
	case '-':
		out = slices.DeleteFunc(slices.Clone(good), func(a string) bool { return slices.Contains(spoken, a) })
	default:
		out = spoken
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("of %q Stopover speaks none", list)
	}
	return compact(out), nil
}

// compact keeps the first of each.
func compact(in []string) []string {
	var out []string
	for _, s := range in {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
