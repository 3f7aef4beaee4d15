package hclfile

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// moved decodes renamings of accounts. One that was renamed twice has two
// blocks; a circle is none.
func (d *decoder) moved(n *node) []schema.Moved {
	var out []schema.Moved
	from, to := map[string]*node{}, map[string]*node{}
	next := map[string]string{}
	for k := range n.each("moved") {
		m := schema.Moved{From: d.accountName(k, "from"), To: d.accountName(k, "to"), Pos: pos(k.defRange)}
		out = append(out, m)
		switch {
		case m.From == "" || m.To == "":
			continue
		case m.From == m.To:
			d.wrong(k.at("to"), k, "Account moved to itself", "The old and the new name are both %q. Take the block out.", m.From)
			continue
		case from[m.From] != nil:
			d.wrong(k.at("from"), k, "Account moved twice", "%q has another name already, see %s. Take one out.", m.From, place(from[m.From].at("from")))
			continue
		case to[m.To] != nil:
			d.wrong(k.at("to"), k, "Two accounts of one name", "Another account is called %q since, see %s. Take one out.", m.To, place(to[m.To].at("to")))
			continue
		}
		from[m.From], to[m.To], next[m.From] = k, k, m.To
		circle := []string{m.From}
		for at := m.To; at != "" && !slices.Contains(circle, at); at = next[at] {
			circle = append(circle, at)
			if next[at] == m.From {
				d.wrong(k.defRange, k, "Accounts moved in a circle", "Nobody could tell which name is the last: %s. Take the oldest block out.", strings.Join(quotedEach(append(circle, m.From)), " became "))
			}
		}
	}
	for k := range n.each("account") {
		if m := from[k.label]; m != nil && to[k.label] == nil {
			d.wrong(k.labelRange, k, "Account under its old name", "%q has another name since, see %s. Write that one here.", k.label, place(m.at("from")))
		}
	}
	return out
}

func quotedEach(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = quoted([]string{name}, "")
	}
	return out
}

// removed decodes accounts that were closed on purpose.
func (d *decoder) removed(n *node) []schema.Removed {
	var out []schema.Removed
	seen := map[string]*node{}
	for k := range n.each("removed") {
		r := schema.Removed{Account: d.accountName(k, "account"), Reason: d.words(k, "reason"), Pos: pos(k.defRange)}
		out = append(out, r)
		if first := seen[r.Account]; first != nil && r.Account != "" {
			d.wrong(k.at("account"), k, "Named twice", "%q is removed at %s already. Take one out.", r.Account, place(first.at("account")))
			continue
		}
		seen[r.Account] = k
	}
	for _, kind := range []string{"account", "stays"} {
		for k := range n.each(kind) {
			if r := seen[k.label]; r != nil {
				d.wrong(k.labelRange, k, "Account both here and removed", "%q was closed, says the removed block at %s. Take out that one, or this one.", k.label, place(r.at("account")))
			}
		}
	}
	return out
}

// accountName reads the name of an account, as found on servers.
func (d *decoder) accountName(n *node, name string) string {
	s := d.words(n, name)
	if s == "" {
		return ""
	}
	if strings.ContainsRune(s, 0) {
		d.wrong(n.at(name), n, "Bad name", "The name %q holds a null character, which no account can have.", s)
		return ""
	}
	if _, err := schema.EscapeName(s); err != nil {
		d.wrong(n.at(name), n, "Bad name", "This name is too long for an account: escaped, as in the names of steps, it has more than %d bytes.", schema.MaxEscapedName)
		return ""
	}
	return s
}

// waivers decodes what lets findings pass. Which codes there are is checked
// where the findings are known.
func (d *decoder) waivers(n *node) []schema.Waiver {
	var out []schema.Waiver
	for k := range n.each("waiver") {
		switch own := ownCode(k.label); {
		case own:
			d.printable(k)
		case !plainName(k.label):
			d.wrong(k.labelRange, k, "Bad code", "%q is not the code of a finding. stopover check prints the code of each.", k.label)
		}
		w := schema.Waiver{
			Code:     k.label,
			Accounts: d.globs(k, "accounts", d.someTexts(k, "accounts")),
			Object:   d.words(k, "object"),
			Reason:   d.words(k, "reason"),
			By:       d.words(k, "by"),
			Expires:  d.date(k, "expires"),
			Pos:      pos(k.defRange),
		}
		if w.Object != "" {
			d.globs(k, "object", []string{w.Object})
		}
		out = append(out, w)
	}
	return out
}

// ownCode says whether a code is that of a check or a policy, whose names may be
// a few words.
func ownCode(code string) bool {
	for _, kind := range []string{"check:", "policy:"} {
		if name, ok := strings.CutPrefix(code, kind); ok && name != "" {
			return true
		}
	}
	return false
}
