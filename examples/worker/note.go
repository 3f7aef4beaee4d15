package main

import (
	"encoding/json"
	"os"
	"sync"
	"time"
)

// Kinds of notes.
const (
	kindLine = "line" // ID is a line of home/worker.log
	kindFile = "file" // ID is the name of a file in home/work, whose content is ID and a newline
	kindRow  = "row"  // ID is a row of worker.sqlite
	kindFlag = "flag" // ID is the base name of a message that has the flag S now
)

// note is one line of the file of acknowledgements.
type note struct {
	Kind    string    `json:"kind"`
	ID      string    `json:"id"`
	Mailbox string    `json:"mailbox,omitempty"` // flag: domain/user
	At      time.Time `json:"at"`
}

// notes appends to the file of acknowledgements. Its reader skips empty lines
// and one without an end: a note that was being written when all was killed.
type notes struct {
	mu   sync.Mutex
	file *os.File
	torn bool // the file may end within a line
}

func openNotes(path string) (*notes, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return &notes{file: f, torn: true}, nil
}

// done notes what is durable; one write per line, so that lines of several
// workers never mix.
func (n *notes) done(what note) error {
	what.At = time.Now().UTC()
	line, err := json.Marshal(what)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	line = append(line, '\n')
	if n.torn {
		line = append([]byte{'\n'}, line...)
	}
	n.torn = true
	if _, err := n.file.Write(line); err != nil {
		return err
	}
	n.torn = false
	return n.file.Sync()
}

func (n *notes) close() { _ = n.file.Close() }
