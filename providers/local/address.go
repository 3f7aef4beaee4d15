package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/local/front"
)

// Options in server.json that the server writes itself.
const (
	// listeningOption holds the addresses to answer on, when they are not
	// simply the server's own.
	listeningOption = "listening"
	// handedOverOption holds those that it gave up for another server and would
	// take back if nobody answered on them.
	handedOverOption = "handed_over"
)

// handOverLimit is how long addresses may be without anybody who answers.
const handOverLimit = 3 * time.Second

// wanted are the addresses that this server means to answer on.
func wanted(d *description.Server) []string {
	if v, ok := d.Options[listeningOption]; ok {
		return strings.Fields(v)
	}
	return d.Serves
}

// rewant changes what is wanted and handed over, durably.
func (h *Host) rewant(edit func(want, handed []string) ([]string, []string)) error {
	return h.change(func(d *description.Server) {
		want, handed := edit(slices.Clone(wanted(d)), strings.Fields(d.Options[handedOverOption]))
		options := map[string]string{}
		for k, v := range d.Options {
			options[k] = v
		}
		options[listeningOption], options[handedOverOption] = strings.Join(want, " "), strings.Join(handed, " ")
		d.Options = options
	})
}

func without(list, gone []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(gone, s) })
}

// Listen answers on service addresses, also after a restart.
func (h *Host) Listen(addresses []string) error {
	for _, a := range addresses {
		if err := h.front.Listen(a); err != nil {
			var used *front.InUseError
			if errors.As(err, &used) {
				return fmt.Errorf("%w: %w", providers.ErrRefused, err)
			}
			return err
		}
	}
	return h.rewant(func(want, handed []string) ([]string, []string) {
		return append(without(want, addresses), addresses...), without(handed, addresses)
	})
}

// HandOver stops answering on addresses that another server is about to take
// over. What was written down first is taken back if nobody does.
func (h *Host) HandOver(addresses []string) error {
	err := h.rewant(func(want, handed []string) ([]string, []string) {
		return without(want, addresses), append(without(handed, addresses), addresses...)
	})
	if err != nil {
		return err
	}
	for _, a := range addresses {
		ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
		err := h.front.Unlisten(ctx, a)
		cancel()
		if err != nil {
			return err
		}
	}
	h.background.Go(func() { h.watchHandOver(h.ended) })
	return nil
}

// takenAfter is how long somebody else has to answer on an address before it is
// theirs for good: from then on its silence is no business of this server.
const takenAfter = time.Second

// watchHandOver takes addresses back on which nobody answers, and ends when
// there is none left to watch.
func (h *Host) watchHandOver(ended <-chan struct{}) {
	const every = 200 * time.Millisecond
	silent, taken := map[string]time.Duration{}, map[string]time.Duration{}
	for {
		select {
		case <-ended:
			return
		case <-time.After(every):
		}
		handed := strings.Fields(h.description().Options[handedOverOption])
		if len(handed) == 0 {
			return
		}
		for _, a := range handed {
			if h.answered(a) {
				silent[a], taken[a] = 0, taken[a]+every
			} else {
				silent[a], taken[a] = silent[a]+every, 0
			}
			var err error
			switch {
			case taken[a] >= takenAfter:
				err = h.rewant(func(want, handed []string) ([]string, []string) { return want, without(handed, []string{a}) })
			case silent[a] >= handOverLimit:
				h.log.Warn("nobody has taken the address over: answering on it again", "address", a)
				err = h.Listen([]string{a})
			}
			if err != nil {
				h.log.Error("address handed over", "address", a, "error", err)
			}
		}
	}
}

// answered says whether anybody listens on a service address now.
func (h *Host) answered(address string) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort(address, strconv.Itoa(h.description().HTTPPort)), time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// listenConfigured answers on the addresses that this server had last. One
// that somebody else has is tried again until it is free: a server that was
// killed may leave its address busy for a moment.
func (h *Host) listenConfigured() {
	d := h.description()
	for _, a := range wanted(d) {
		if err := h.front.Listen(a); err != nil {
			h.background.Go(func() { h.listenLater(a, h.ended) })
		}
	}
	if d.Options[handedOverOption] != "" {
		h.background.Go(func() { h.watchHandOver(h.ended) })
	}
}

func (h *Host) listenLater(address string, ended <-chan struct{}) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		// Meanwhile it may have been given to another server.
		if !slices.Contains(wanted(h.description()), address) {
			return
		}
		err := h.front.Listen(address)
		if err == nil {
			return
		}
		if n%50 == 0 {
			h.log.Warn("listen", "address", address, "error", err)
		}
	}
}
