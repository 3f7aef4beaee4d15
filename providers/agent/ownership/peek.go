package ownership

import (
	"fmt"
	"os"
	"strings"
)

// Peek reads what the records of a FileDisk in dir say, whether or not an agent
// runs there, and changes nothing. It is for looking from outside: what it
// returns may be out of date, has no credentials, and a record that is just being written, or is
// lost, is left out. With names, only the records of these accounts are read.
func Peek(dir string, accounts ...string) (ServerRecord, map[string]Record, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return ServerRecord{}, nil, fmt.Errorf("look at records: %w", err)
	}
	d := &FileDisk{dir: dir, root: root}
	defer d.Close()
	var names []string
	for _, a := range accounts {
		names = append(names, accountBlob(a))
	}
	if len(names) == 0 {
		if names, err = d.List(); err != nil {
			return ServerRecord{}, nil, err
		}
	}
	var server ServerRecord
	records := map[string]Record{}
	for _, name := range names {
		b := blob{name: name}
		payload, err := b.load(d)
		if err != nil {
			continue
		}
		if account, ok := strings.CutPrefix(name, "account/"); ok {
			if r, err := decodeRecord(payload); err == nil && r.Account == account {
				records[account] = r.public()
			}
		} else if s, err := decodeServer(payload); err == nil && name == serverBlob {
			server = s
		}
	}
	return server, records, nil
}

// PeekServer is Peek for the server's own record only.
func PeekServer(dir string) (ServerRecord, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return ServerRecord{}, fmt.Errorf("look at records: %w", err)
	}
	d := &FileDisk{dir: dir, root: root}
	defer d.Close()
	b := blob{name: serverBlob}
	payload, err := b.load(d)
	if err != nil {
		return ServerRecord{}, err
	}
	return decodeServer(payload)
}
