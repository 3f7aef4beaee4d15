package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/stopover/stopover/examples/ledger"
)

// visitors are the people who use the accounts all the time.
type visitors struct {
	loads map[string]*ledger.Load // by account, so that each has counts of its own
	who   map[string]ledger.Account
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// welcome waits until every site answers, then lets visitors in.
func welcome(ctx context.Context, w *world) (*visitors, error) {
	for _, a := range w.accounts {
		if err := answers(ctx, w.web(), a.domain); err != nil {
			return nil, err
		}
	}
	v := &visitors{loads: map[string]*ledger.Load{}, who: map[string]ledger.Account{}}
	// The visitors leave when the demo says so, also when it ends early.
	ctx, v.stop = context.WithCancel(ctx)
	for i, a := range w.accounts {
		who := ledger.Account{Name: a.name, Domain: a.domain, Mailbox: a.mailbox, Acks: w.acks + "/" + a.domain}
		l := ledger.New(ledger.Options{HTTP: w.web(), SMTP: w.mail(), Accounts: []ledger.Account{who},
			Pause: 40 * time.Millisecond, Run: fmt.Sprintf("visitor%d", i)})
		v.loads[a.name], v.who[a.name] = l, who
		v.ended.Go(func() { l.Run(ctx) })
	}
	return v, nil
}

// answers waits until a site answers for the first time.
func answers(ctx context.Context, address, domain string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	last := ""
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			return err
		}
		r.Host = domain
		res, err := http.DefaultClient.Do(r)
		if err == nil {
			last = res.Status
			if err := res.Body.Close(); err != nil {
				return err
			}
			if res.StatusCode == http.StatusOK {
				return nil
			}
		} else {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the site of %s does not answer at %s: %s", domain, address, last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// leave ends the visits and returns once everyone has the last answer.
func (v *visitors) leave() {
	v.stop()
	v.ended.Wait()
}

// sum adds up what all visitors saw until now.
func (v *visitors) sum() ledger.Stats {
	var all ledger.Stats
	for _, l := range v.loads {
		s := l.Stats()
		all.Asked += s.Asked
		all.Failed += s.Failed
		all.Writes += s.Writes
		all.Mails += s.Mails
		all.Deferred += s.Deferred
		all.Slowest = max(all.Slowest, s.Slowest)
	}
	return all
}
