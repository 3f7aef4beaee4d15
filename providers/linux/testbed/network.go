//go:build linux

package testbed

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// address is where a host listens: 10.77.N.11 and up, of which the caller has
// 10.77.N.1.
func (b *Bed) address(index int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 77, byte(b.record.Number), byte(11 + index)})
}

func (b *Bed) address6(index int) netip.Addr {
	// The number is written as it reads, so that both addresses look alike.
	return netip.MustParseAddr(fmt.Sprintf("fd00:77:%d::%d", b.record.Number, 11+index))
}

// Gateway is the caller's address on the bed's network.
func (b *Bed) Gateway() netip.Addr {
	return netip.AddrFrom4([4]byte{10, 77, byte(b.record.Number), 1})
}

// bridge makes the bridge in the keeper's namespace and plugs the caller in.
// Hosts have no default route: nothing beyond the caller's machine reaches
// them, and they reach nothing.
func (b *Bed) bridge(ctx context.Context) error {
	link := linkName(b.record.Number)
	err := b.ip(ctx, "link set lo up",
		"link add br0 type bridge",
		"link set br0 up",
		"link add p0 type veth peer name "+link+" netns "+strconv.Itoa(os.Getpid()),
		"link set p0 master br0 up")
	if err != nil {
		return err
	}
	lines := []string{"addr add " + b.Gateway().String() + "/24 dev " + link}
	if b.record.IPv6 {
		lines = append(lines, fmt.Sprintf("addr add fd00:77:%d::1/64 dev %s nodad", b.record.Number, link))
	}
	lines = append(lines, "link set "+link+" up")
	c := exec.CommandContext(ctx, "ip", "-batch", "-")
	c.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("network of the bed: ip: %w: %s", err, out)
	}
	return nil
}

// plug makes a host's link: eth0 inside, p-NAME at the bridge.
func (b *Bed) plug(ctx context.Context, host string, pid int) error {
	return b.ip(ctx,
		"link add p-"+host+" type veth peer name eth0 netns "+strconv.Itoa(pid),
		"link set p-"+host+" master br0 up")
}

// inside is the batch a host's init runs for itself.
func (b *Bed) inside(index int) string {
	lines := []string{
		"link set lo up",
		fmt.Sprintf("addr add %s/24 brd + dev eth0", b.address(index)),
	}
	if b.record.IPv6 {
		lines = append(lines, fmt.Sprintf("addr add %s/64 dev eth0 nodad", b.address6(index)))
	}
	return strings.Join(append(lines, "link set eth0 up"), "\n") + "\n"
}

// ip runs a batch in the namespace of the bridge.
func (b *Bed) ip(ctx context.Context, lines ...string) error {
	_, err := b.inBridge(ctx, strings.Join(lines, "\n")+"\n", "ip", "-batch", "-")
	if err != nil {
		return fmt.Errorf("network of the bed: %w", err)
	}
	return nil
}

// inBridge runs a program of the machine in the namespace of the bridge.
func (b *Bed) inBridge(ctx context.Context, stdin string, argv ...string) (string, error) {
	return capture(ctx, b.dir, request{Op: "exec", Argv: argv, Env: []string{"PATH=" + rootPath}}, stdin)
}

// Limit bounds the bandwidth of a host's link in both directions, in tc's
// notation ("100mbit"); "" takes the limit off.
func (h *Host) Limit(ctx context.Context, rate string) error {
	verb := []string{"tc", "qdisc", "replace", "dev", "", "root", "tbf", "rate", rate, "burst", "256kb", "latency", "50ms"}
	if rate == "" {
		verb = []string{"tc", "qdisc", "del", "dev", "", "root"}
	}
	verb[4] = "p-" + h.Name
	if _, err := h.bed.inBridge(ctx, "", verb...); err != nil && rate != "" {
		return fmt.Errorf("limit of %s: %w", h.Name, err)
	}
	verb[4] = "eth0"
	if _, err := h.Run(ctx, verb...); err != nil && rate != "" {
		return fmt.Errorf("limit of %s: %w", h.Name, err)
	}
	return nil
}

// Latency delays every packet to and from a host by d, one way each; zero
// takes the delay off. It works without netem, by a program that carries the
// packets, which also costs some processor time.
func (h *Host) Latency(ctx context.Context, d time.Duration) error {
	name := h.Name
	if _, err := ask(ctx, h.bed.dir, request{Op: "line", Link: name, Delay: d}); err != nil {
		return fmt.Errorf("latency of %s: %w", name, err)
	}
	if d <= 0 {
		_, _ = h.bed.inBridge(ctx, "", "ip", "link", "set", "p-"+name, "master", "br0")
		_, _ = h.bed.inBridge(ctx, "", "ip", "link", "del", "r-"+name)
		return nil
	}
	_, _ = h.bed.inBridge(ctx, "", "ip", "link", "add", "r-"+name, "type", "bridge")
	return h.bed.ip(ctx,
		"link set r-"+name+" up",
		"link set p-"+name+" master r-"+name,
		"link set a-"+name+" master br0 up",
		"link set b-"+name+" master r-"+name+" up")
}
