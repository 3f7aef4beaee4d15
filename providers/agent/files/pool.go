//go:build linux

package files

import "sync"

// pool writes small files at the same time. The number of its buffers bounds the memory of a Receive.
type pool struct {
	free    chan []byte // buffers of MaxFrame bytes
	jobs    chan job
	pending sync.WaitGroup
	ended   sync.WaitGroup
	mu      sync.Mutex
	err     error // the first
}

type job struct{ buf, body []byte }

func newPool(workers int, do func(*dirCache, []byte) error, t *tree) *pool {
	p := &pool{free: make(chan []byte, workers+2), jobs: make(chan job, workers+2)}
	for range cap(p.free) {
		p.free <- make([]byte, MaxFrame)
	}
	for range workers {
		p.ended.Go(func() {
			d := dirCache{t: t}
			defer d.close()
			for j := range p.jobs {
				if p.failed() == nil {
					p.fail(do(&d, j.body))
				}
				p.free <- j.buf
				p.pending.Done()
			}
		})
	}
	return p
}

func (p *pool) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *pool) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// submit hands a frame and its buffer over.
func (p *pool) submit(buf, body []byte) error {
	p.pending.Add(1)
	p.jobs <- job{buf, body}
	return p.failed()
}

// drain waits until everything that was submitted is done.
func (p *pool) drain() error {
	p.pending.Wait()
	return p.failed()
}

func (p *pool) close() {
	close(p.jobs)
	p.ended.Wait()
}
