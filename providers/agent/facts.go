package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/stopover/stopover/schema"
)

// maxFacts bounds what a tool can make a server remember.
const maxFacts = 1 << 20

// factFile is the server's mirror of the facts: an add-only set in one file,
// replaced in one step.
type factFile struct {
	path string
	mu   sync.Mutex
	list []schema.Fact
}

func openFacts(path string) (*factFile, error) {
	f := &factFile{path: path}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read facts: %w", err)
	}
	if err := json.Unmarshal(b, &f.list); err != nil {
		return nil, fmt.Errorf("read facts %s: %w: move the file away, the other server and the state store have the same facts", path, err)
	}
	return f, nil
}

func (f *factFile) all() []schema.Fact {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]schema.Fact(nil), f.list...)
}

// migration returns the id under which a migration of that name is known here.
func (f *factFile) migration(name string) string {
	for _, x := range f.all() {
		var m schema.MigrationFact
		if x.Kind == schema.FactMigration && !x.Revoked && json.Unmarshal(x.Value, &m) == nil && m.Name == name {
			return m.ID
		}
	}
	return ""
}

func (f *factFile) add(facts []schema.Fact) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := schema.UnionFacts(f.list, facts)
	if len(next) > maxFacts {
		return fmt.Errorf("more than %d facts", maxFacts)
	}
	b, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(f.path, b, 0o600, renameio.WithTempDir(filepath.Dir(f.path))); err != nil {
		return fmt.Errorf("write facts: %w", err)
	}
	d, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return err
	}
	f.list = next
	return nil
}
