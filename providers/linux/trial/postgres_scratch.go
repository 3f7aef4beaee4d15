//go:build linux

package trial

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/schema"
)

// scramHash is what the server keeps of a password (RFC 5803): so the password
// itself is in no statement that somebody may write down.
func scramHash(password string) (string, error) {
	const rounds = 4096
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	mac := func(key []byte, what string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(what))
		return m.Sum(nil)
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	b := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, b(salt), b(stored[:]), b(mac(salted, "Server Key"))), nil
}

func pgIdent(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func pgText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// prepare looks at the server, takes the scratch name, and drops what earlier
// trials left behind.
func (t *pgTrial) prepare(ctx context.Context, h header) error {
	var number int
	if err := t.admin.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, coalesce((SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'), '')").Scan(&number, &t.data); err != nil {
		return err
	}
	if t.major = number / 10000; t.major < 11 {
		return fmt.Errorf("%w: databases are tried on PostgreSQL 11 and later, and this server is %d", providers.ErrRefused, t.major)
	}
	if ok, err := t.lock(ctx, t.q.Scratch); err != nil || !ok {
		return errors.Join(err, fmt.Errorf("%w: another trial of this database is under way on this server", providers.ErrTemporary))
	}
	if err := t.sweep(ctx); err != nil {
		return err
	}
	return room(t.data, h.Bytes)
}

// lock takes a name for as long as the session lasts.
func (t *pgTrial) lock(ctx context.Context, name string) (ok bool, err error) {
	err = t.admin.QueryRow(ctx, "SELECT pg_catalog.pg_try_advisory_lock(1937010544, pg_catalog.hashtext($1))", name).Scan(&ok)
	return ok, err
}

// sweep drops what trials left behind that ended before they could clear up. A
// role is a trial's if it says so; a database, if it belongs to such a role.
func (t *pgTrial) sweep(ctx context.Context) error {
	rows, err := t.admin.Query(ctx, `SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname LIKE 'stopover\_trial\_%' AND pg_catalog.shobj_description(oid, 'pg_authid') = $1`, mark)
	if err != nil {
		return err
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range left {
		if checkScratch(name) != nil {
			continue
		}
		if name != t.q.Scratch {
			if ok, err := t.lock(ctx, name); err != nil || !ok {
				continue // it is being used
			}
		}
		err := t.dropScratch(ctx, t.admin, name)
		if name != t.q.Scratch {
			_, _ = t.admin.Exec(ctx, "SELECT pg_catalog.pg_advisory_unlock(1937010544, pg_catalog.hashtext($1))", name)
		}
		if err != nil {
			return fmt.Errorf("drop what an earlier trial left behind: %w", err)
		}
	}
	var foreign bool
	if err := t.admin.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1) OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1)", t.q.Scratch).Scan(&foreign); err != nil {
		return err
	}
	if foreign {
		return fmt.Errorf("%w: this server has a database or role %s that no trial made: rename or drop it, if nobody needs it", providers.ErrRefused, schema.QuoteName(t.q.Scratch))
	}
	return nil
}

// dropScratch drops a trial's database before its role, which is its mark.
func (t *pgTrial) dropScratch(ctx context.Context, c *pgx.Conn, name string) error {
	var owned bool
	if err := c.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles r ON r.oid = d.datdba WHERE d.datname = $1 AND r.rolname = $1)", name).Scan(&owned); err != nil {
		return err
	}
	if owned {
		if _, err := c.Exec(ctx, "ALTER DATABASE "+pgIdent(name)+" ALLOW_CONNECTIONS false"); err != nil {
			return err
		}
		if _, err := c.Exec(ctx, "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = $1", name); err != nil {
			return err
		}
		drop := "DROP DATABASE " + pgIdent(name)
		if t.major >= 13 {
			drop += " WITH (FORCE)"
		}
		if _, err := c.Exec(ctx, drop); err != nil {
			return err
		}
	}
	_, err := c.Exec(ctx, "DROP ROLE IF EXISTS "+pgIdent(name))
	return err
}

// drop clears up, by a session of its own: the other one may be waiting.
func (t *pgTrial) drop(ctx context.Context) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	c, err := t.at.Open(ctx, "postgres", map[string]string{"statement_timeout": "0", "lock_timeout": "60s"})
	if err == nil {
		err = t.dropScratch(ctx, c, t.q.Scratch)
		_ = c.Close(ctx)
	}
	if err != nil {
		return fmt.Errorf("the scratch database %s is still on the server, and the next trial drops it: %w", t.q.Scratch, err)
	}
	return nil
}

// make makes a role that may do nothing but log in and own the scratch database.
func (t *pgTrial) make(ctx context.Context, h header) error {
	hash, err := scramHash(t.password)
	if err != nil {
		return err
	}
	name := pgIdent(t.q.Scratch)
	tx, err := t.admin.Begin(ctx) // a role without its mark would be nobody's
	if err != nil {
		return err
	}
	for _, q := range []string{
		"CREATE ROLE " + name + " LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 8 PASSWORD " + pgText(hash),
		"COMMENT ON ROLE " + name + " IS " + pgText(mark),
	} {
		if _, err := tx.Exec(ctx, q); err != nil {
			return fmt.Errorf("make a scratch role: %w", errors.Join(err, tx.Rollback(ctx)))
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	_, _ = t.admin.Exec(ctx, "ALTER ROLE "+name+" SET lc_messages = 'C'") // a superuser may: what pg_restore says is read
	if err := t.createDatabase(ctx, h); err != nil {
		return err
	}
	if _, err := t.admin.Exec(ctx, "REVOKE ALL ON DATABASE "+name+" FROM PUBLIC"); err != nil {
		return err
	}
	if err := t.extensions(ctx, h); err != nil {
		return err
	}
	return t.login(ctx)
}

// createDatabase makes it as it was at the origin, or as this server can.
func (t *pgTrial) createDatabase(ctx context.Context, h header) error {
	create := "CREATE DATABASE " + pgIdent(t.q.Scratch) + " OWNER " + pgIdent(t.q.Scratch) + " TEMPLATE template0"
	with := " ENCODING " + pgText(h.Charset) + " LC_COLLATE " + pgText(h.Collation) + " LC_CTYPE " + pgText(h.Ctype)
	switch {
	case h.Provider == "i" && t.major >= 15:
		with += " LOCALE_PROVIDER icu ICU_LOCALE " + pgText(h.Locale)
	case h.Provider == "b" && t.major >= 17:
		with += " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + pgText(h.Locale)
	case h.Provider == "c" && t.major >= 15:
		with += " LOCALE_PROVIDER libc"
	case h.Provider != "c":
		t.errors.add("the database: its locale provider is not known to PostgreSQL %d", t.major)
	}
	_, err := t.admin.Exec(ctx, create+with)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return err
	}
	t.errors.add("the database: %s (collation %s, character classes %s%s): install the locale on this server", pgMessage(err), h.Collation, h.Ctype, prefixed(", ", h.Locale))
	if _, err := t.admin.Exec(ctx, create+" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"); err != nil {
		return fmt.Errorf("make a scratch database: %w", err)
	}
	return nil
}

func prefixed(with, s string) string {
	if s == "" {
		return ""
	}
	return with + s
}

// extensions are made before anything of the dump is there that they could
// stumble over. Only what this server's own packages bring can be made.
func (t *pgTrial) extensions(ctx context.Context, h header) error {
	c, err := t.at.Open(ctx, t.q.Scratch, map[string]string{"statement_timeout": "5min"})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	for _, e := range h.Extensions {
		if e.Name == "plpgsql" {
			continue
		}
		var there bool
		if err := c.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = $1)", e.Name).Scan(&there); err != nil {
			return err
		}
		if !there {
			t.errors.add("extension %s %s is not available on this server: install its package", e.Name, e.Version)
			continue
		}
		if e.Schema != "pg_catalog" && e.Schema != "public" && e.Schema != e.Name {
			_, err = c.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgIdent(e.Schema)+" AUTHORIZATION "+pgIdent(t.q.Scratch))
			t.schemas = append(t.schemas, e.Schema)
		}
		if err == nil {
			with := " WITH SCHEMA " + pgIdent(e.Schema)
			if e.Schema == e.Name || e.Schema == "pg_catalog" { // which it makes by itself
				with = ""
			}
			_, err = c.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS "+pgIdent(e.Name)+with+" CASCADE")
		}
		if err != nil && ctx.Err() == nil {
			t.errors.add("extension %s: %s", e.Name, pgMessage(err))
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// login finds out how the scratch role gets in: by its password, which the
// system's own users do not need.
func (t *pgTrial) login(ctx context.Context) error {
	var failed error
	for _, at := range []engine.Postgres{
		{TCP: "127.0.0.1", Port: t.at.Port, User: t.q.Scratch, Password: t.password},
		{TCP: "::1", Port: t.at.Port, User: t.q.Scratch, Password: t.password},
		{Dir: t.at.Dir, Port: t.at.Port, User: t.q.Scratch, Password: t.password},
	} {
		c, err := at.Open(ctx, t.q.Scratch, nil)
		if err == nil {
			t.scratch = at
			return c.Close(ctx)
		}
		failed = errors.Join(failed, err)
	}
	return fmt.Errorf("%w: a trial loads databases as a role without rights, and this server lets no role in by password from itself: allow it in pg_hba.conf (\"host all all 127.0.0.1/32 scram-sha-256\", as Debian has it) and listen_addresses (\"localhost\"): %s",
		providers.ErrRefused, clean(failed.Error()))
}
