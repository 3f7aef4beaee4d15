//go:build linux

package trial

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/schema"
)

// nativeHash is what the server keeps of a password: so the password itself is
// in no statement that somebody may write down.
func nativeHash(password string) string {
	a := sha1.Sum([]byte(password))
	b := sha1.Sum(a[:])
	return "*" + strings.ToUpper(hex.EncodeToString(b[:]))
}

// prepare looks at the server, takes the scratch name, and drops what earlier
// trials left behind.
func (t *mariaTrial) prepare(ctx context.Context, h header) error {
	var version string
	if err := t.root.QueryRowContext(ctx, "SELECT VERSION(), @@log_bin, @@datadir").Scan(&version, &t.binlog, &t.data); err != nil {
		return err
	}
	t.number = number(version)
	if !strings.Contains(version, "MariaDB") || t.number < 100500 {
		return fmt.Errorf("%w: databases are tried on MariaDB 10.5 and later, and this server is %s", providers.ErrRefused, version)
	}
	var got int
	if err := t.root.QueryRowContext(ctx, "SELECT GET_LOCK(?,0)", t.q.Scratch).Scan(&got); err != nil {
		return err
	} else if got != 1 {
		return fmt.Errorf("%w: another trial of this database is under way on this server", providers.ErrTemporary)
	}
	if t.binlog {
		if err := t.root.Exec(ctx, "SET SESSION sql_log_bin=0"); err != nil {
			return fmt.Errorf("keep the trial out of the binary log: %w", err)
		}
	}
	if err := t.sweep(ctx); err != nil {
		return err
	}
	return room(t.data, h.Bytes)
}

// number is a version as MariaDB's own comments write it: 101119.
func number(version string) int {
	n := 0
	parts := strings.SplitN(version, ".", 3)
	for i := range 3 {
		v := 0
		if i < len(parts) {
			digits := parts[i]
			if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
				digits = digits[:end]
			}
			v, _ = strconv.Atoi(digits)
		}
		n = n*100 + v
	}
	return n
}

// sweep drops what trials left behind that ended before they could clear up. A
// database of the scratch name that no trial made is nobody's to touch.
func (t *mariaTrial) sweep(ctx context.Context) error {
	rows, err := t.root.QueryContext(ctx, "SELECT SCHEMA_NAME, SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'stopover\\_trial\\_%'")
	if err != nil {
		return err
	}
	var left []string
	var foreign error
	for rows.Next() {
		var name, comment string
		if err := rows.Scan(&name, &comment); err != nil {
			return errors.Join(err, rows.Close())
		}
		switch {
		case comment == mark && checkScratch(name) == nil:
			left = append(left, name)
		case name == t.q.Scratch:
			foreign = fmt.Errorf("%w: this server has a database %s that no trial made: rename or drop it, if nobody needs it", providers.ErrRefused, schema.QuoteName(name))
		}
	}
	if err := errors.Join(rows.Err(), rows.Close(), foreign); err != nil {
		return err
	}
	for _, name := range left {
		if name != t.q.Scratch {
			var got int
			if err := t.root.QueryRowContext(ctx, "SELECT GET_LOCK(?,0)", name).Scan(&got); err != nil || got != 1 {
				continue // it is being used
			}
		}
		if err := dropScratch(ctx, t.root, name); err != nil {
			return fmt.Errorf("drop what an earlier trial left behind: %w", err)
		}
		if name != t.q.Scratch {
			if _, err := t.root.ExecContext(ctx, "DO RELEASE_LOCK(?)", name); err != nil {
				return err
			}
		}
	}
	var users int
	if err := t.root.QueryRowContext(ctx, "SELECT COUNT(*) FROM mysql.user WHERE User=?", t.q.Scratch).Scan(&users); err != nil || users > 0 {
		return errors.Join(err, fmt.Errorf("%w: this server has a user %s that no trial made", providers.ErrRefused, schema.QuoteName(t.q.Scratch)))
	}
	return nil
}

// drop clears up, by a session of its own: the other one may be waiting.
func (t *mariaTrial) drop(ctx context.Context) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	s, err := t.at.Open(ctx)
	if err == nil {
		defer func() { _ = s.Close() }()
		if t.binlog {
			err = s.Exec(ctx, "SET SESSION sql_log_bin=0")
		}
	}
	if err == nil {
		err = dropScratch(ctx, s, t.q.Scratch)
	}
	if err != nil {
		return fmt.Errorf("the scratch database %s is still on the server, and the next trial drops it: %w", t.q.Scratch, err)
	}
	return nil
}

// dropScratch drops a trial's user before its database: a user without a
// database is so never what a trial left behind.
func dropScratch(ctx context.Context, s *engine.Session, name string) error {
	who := engine.Ident(name) + "@localhost"
	_ = s.Exec(ctx, "KILL USER "+who) // there may be none
	return s.Exec(ctx, "DROP USER IF EXISTS "+who, "DROP ROLE IF EXISTS "+engine.Ident(name), "DROP DATABASE IF EXISTS "+engine.Ident(name))
}
