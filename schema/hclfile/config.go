package hclfile

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/process"
)

// config decodes all blocks. It goes on after mistakes.
func (d *decoder) config(root *node) *schema.Config {
	cfg := &schema.Config{State: schema.StateStore{Kind: "local"}}
	for n := range root.each("server") {
		d.servers = append(d.servers, n.label)
	}
	for n := range root.each("window") {
		d.windows = append(d.windows, n.label)
	}
	for n := range root.each("layout") {
		d.layoutNames = append(d.layoutNames, n.label)
	}
	if n := root.first("stopover"); n != nil {
		d.stopover(n, cfg)
	}
	for n := range root.each("layout") {
		d.notBuiltinLayout(n)
	}
	cfg.Layouts = d.layouts(root)
	for n := range root.each("provider") {
		cfg.Providers = append(cfg.Providers, d.provider(n))
	}
	for n := range root.each("server") {
		cfg.Servers = append(cfg.Servers, d.serverBlock(n, cfg.Providers))
	}
	d.usedLayouts(cfg)
	for n := range root.each("architecture") {
		cfg.Architectures = append(cfg.Architectures, d.architecture(n))
	}
	for n := range root.each("window") {
		cfg.Windows = append(cfg.Windows, d.windowBlock(n))
	}
	if n := root.first("dns"); n != nil {
		cfg.DNS = d.resolver(n)
	}
	for n := range root.each("check") {
		cfg.Checks = append(cfg.Checks, d.check(n))
	}
	for n := range root.each("policy") {
		cfg.Policies = append(cfg.Policies, d.policy(n))
	}
	for n := range root.each("process") {
		d.notBuiltin(n)
		cfg.Processes = append(cfg.Processes, d.process(n))
	}
	d.sharedAddresses(root, cfg.Servers)
	if n := root.first("migration"); n != nil {
		cfg.Migration = d.migration(n, cfg)
	} else if !root.broken && !root.unread && !root.meant["migration"] {
		d.noMigration()
	}
	return cfg
}

func (d *decoder) noMigration() {
	d.wrong(hcl.Range{}, nil, "No migration",
		"The configuration has no migration block, so there is nothing to do. Write migration \"NAME\" { … } with a process, a source, a transit server and accounts.")
}

func (d *decoder) stopover(n *node, cfg *schema.Config) {
	if s, ok := d.given(n, "required_version"); ok {
		if _, err := parseRequirement(s); err != nil {
			d.wrong(n.at("required_version"), n, "Not a version requirement", "%s. For example: %s",
				sentence(err.Error()), n.spec.Attr("required_version").Example)
		}
		cfg.RequiredVersion = s
	}
	if store := n.first("state"); store != nil {
		cfg.State = d.state(store)
	}
}

func (d *decoder) notBuiltin(n *node) {
	if slices.Contains(process.Names(), n.label) {
		d.wrong(n.labelRange, n, "Name of a built-in process",
			"%q is a built-in process, and plans have to mean the same everywhere. Give yours another name, and name that one in the migration.", n.label)
	}
}

// plainName tells whether a name can stand in IDs and addresses as it is. Names
// that are found on servers are not held to this, only those that users make up.
func plainName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '-' || c == '_'):
		default:
			return false
		}
	}
	return name != ""
}

// made checks a name that the user made up.
func (d *decoder) made(n *node) {
	if plainName(n.label) {
		return
	}
	d.wrong(n.labelRange, n, "Bad name", "%q cannot be used as a name here, because it stands in the names of steps. Take letters, digits, \"-\", \"_\" and \".\", and begin with a letter or a digit.",
		n.label)
}

// referable checks the name of a server or a window, which references are made
// of.
func (d *decoder) referable(n *node) {
	if hclsyntax.ValidIdentifier(n.label) && plainName(n.label) {
		return
	}
	d.wrong(n.labelRange, n, "Bad name", "The name %q cannot be used for a %s, because it could not be referred to as %s.NAME. Take letters, digits, \"-\" and \"_\", and begin with a letter.", n.label, n.spec.Name, n.spec.Name)
}

// printable checks a name that people read and that nothing refers to.
func (d *decoder) printable(n *node) {
	if strings.TrimSpace(n.label) != n.label || n.label != printable([]byte(n.label)) || strings.ContainsAny(n.label, "\t") {
		d.wrong(n.labelRange, n, "Bad name", "The name %q begins or ends with space, or holds characters that cannot be printed. Write a few words.", n.label)
	}
}

// sentence begins with a capital letter.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// lower begins with a small letter, unless a whole word is capital.
func lower(s string) string {
	if len(s) < 2 || s[1] >= 'A' && s[1] <= 'Z' {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
