package state

// SilenceHTTP makes the heartbeat of a held lock stop, as if its process had
// been stopped.
func SilenceHTTP(s *HTTP) {
	s.mu.Lock()
	k := s.lock
	s.mu.Unlock()
	k.halt()
}

// ReadHTTP opens a document as Load does.
func ReadHTTP(body []byte) (*Log, error) {
	j, err := openDocument("https://gitlab.example.org/state", body)
	if err != nil {
		return nil, err
	}
	return &Log{Lineage: j.segment.header.Lineage, Events: j.segment.events}, nil
}
