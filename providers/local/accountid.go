package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/schema"
)

// accountID is what the server itself knows of an account, where its
// description does not say it. The file lies in the account's directory: it
// stays when that is renamed, and when all of it is restored from a copy.
type accountID struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created,omitzero"`
}

// adoptAll gives ids to the accounts that came while no server was running. A
// disk that is full keeps no server from starting.
func (h *Host) adoptAll() {
	names, err := h.Accounts()
	if err != nil {
		h.log.Error("list accounts", "error", err)
		return
	}
	written := false
	for _, name := range names {
		made, err := h.adopt(name)
		if err != nil {
			h.log.Warn("no id", "account", name, "error", err)
		}
		written = written || made
	}
	if written { // once for all of them: there may be thousands
		if err := syncDir(filepath.Join(h.dir, accountsDir)); err != nil {
			h.log.Warn("sync accounts", "error", err)
		}
	}
}

// adopt gives an account an id, unless it has one or is not described yet: a
// copy gets that of its origin.
func (h *Host) adopt(account string) (made bool, err error) {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return false, err
	}
	if _, err := os.Lstat(filepath.Join(at, description.IDFile)); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	d, err := description.ReadAccount(h.dir, account)
	if err != nil || d.ID != "" && !d.Created.IsZero() {
		return false, nil // who reads the description says what is wrong with it
	}
	b, err := json.Marshal(accountID{ID: randomID(), Created: born(at)})
	if err != nil {
		return false, err
	}
	file := filepath.Join(at, description.IDFile)
	return true, renameio.WriteFile(file, append(b, '\n'), 0o644, renameio.WithTempDir(at))
}

// disown keeps this server from giving a copy an id of its own: a copy whose
// origin could give it none has to stay equal to it.
func disown(at string, d *description.Account) error {
	if d.ID != "" && !d.Created.IsZero() {
		return nil
	}
	return renameio.WriteFile(filepath.Join(at, description.IDFile), []byte("{}\n"), 0o644, renameio.WithTempDir(at))
}

// born is when an account's directory was made, or, where the file system does
// not say, when it was described.
func born(at string) time.Time {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, at, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME, &st); err == nil && st.Mask&unix.STATX_BTIME != 0 {
		return time.Unix(st.Btime.Sec, 0).UTC()
	}
	if info, err := os.Lstat(filepath.Join(at, description.AccountFile)); err == nil {
		return info.ModTime().Truncate(time.Second).UTC()
	}
	return time.Time{}
}

// readAccountID returns an empty id where there is none yet.
func readAccountID(at string) (accountID, error) {
	b, err := os.ReadFile(filepath.Join(at, description.IDFile))
	if errors.Is(err, fs.ErrNotExist) {
		return accountID{}, nil
	}
	var id accountID
	if err == nil {
		err = json.Unmarshal(b, &id)
	}
	if err != nil {
		return accountID{}, fmt.Errorf("read the id of an account: %w", err)
	}
	return id, nil
}

// complete adds to a description what only the server knows.
func (h *Host) complete(account string, d *description.Account) {
	if d.ID != "" && !d.Created.IsZero() {
		return
	}
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return
	}
	id, err := readAccountID(at)
	if err != nil {
		h.log.Warn("id", "account", account, "error", err)
		return
	}
	if d.ID == "" {
		d.ID = id.ID
	}
	if d.Created.IsZero() {
		d.Created = id.Created
	}
}

// Settings is the account's description as it is on disk, with the id and the
// date that the server gave it: they go where the account goes.
func (h *Host) Settings(account string) ([]byte, error) {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(at, description.AccountFile))
	if err != nil {
		return nil, err
	}
	d, err := description.ParseAccount(raw)
	if err != nil {
		return raw, nil // whoever gets it says what is wrong with it
	}
	id, created := d.ID, d.Created
	if h.complete(account, d); d.ID == id && d.Created.Equal(created) {
		return raw, nil
	}
	out, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("settings of %s: %w", schema.QuoteName(account), err)
	}
	return append(out, '\n'), nil
}
