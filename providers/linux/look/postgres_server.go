//go:build linux

package look

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stopover/stopover/schema"
)

// pgClosed marks, between listing and looking inside, a database that allows no
// connections.
const pgClosed = "closed"

// pgSettings are the settings that two servers are compared by, and that decide
// how databases move; those that a survey's own session sets are not among them.
const pgSettings = `'wal_level','max_replication_slots','max_wal_senders','max_logical_replication_workers','max_worker_processes','lc_collate','lc_ctype',
'lc_messages','lc_monetary','lc_numeric','lc_time','server_encoding','TimeZone','shared_preload_libraries','session_preload_libraries','password_encryption','ssl',
'data_checksums','max_connections','superuser_reserved_connections','data_directory','port','listen_addresses','default_toast_compression','block_size',
'idle_in_transaction_session_timeout','max_locks_per_transaction','max_prepared_transactions','shared_buffers','work_mem','archive_mode',
'fsync','full_page_writes','synchronous_commit','hot_standby','standard_conforming_strings','default_text_search_config','IntervalStyle','bytea_output',
'array_nulls','backslash_quote','escape_string_warning','track_commit_timestamp','integer_datetimes','in_hot_standby','server_version_num','server_version'`

// spent is a bounded time that several share.
type spent struct {
	mu    sync.Mutex
	until time.Time
}

func (s *spent) start(d time.Duration) { s.until = time.Now().Add(d) }

func (s *spent) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().After(s.until)
}

// texts reads every row of a query as text; NULL is nothing.
func texts(ctx context.Context, c *pgx.Conn, query string, row func(v []string), args ...any) error {
	rows, err := c.Query(ctx, query, append([]any{pgx.QueryResultFormats{pgx.TextFormatCode}}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		raw := rows.RawValues()
		v := make([]string, len(raw))
		for i := range raw {
			v[i] = string(raw[i])
		}
		row(v)
	}
	return rows.Err()
}

func (p *postgres) settings(ctx context.Context, c *pgx.Conn) error {
	p.e.Settings = map[string]string{}
	err := texts(ctx, c, "SELECT name, coalesce(setting, '') FROM pg_catalog.pg_settings WHERE name IN ("+pgSettings+")", func(v []string) {
		p.e.Settings[v[0]] = v[1]
	})
	p.e.Data = p.e.Settings["data_directory"]
	p.number, _ = strconv.Atoi(p.e.Settings["server_version_num"])
	p.e.Version, _, _ = strings.Cut(p.e.Settings["server_version"], " ")
	delete(p.e.Settings, "server_version")
	return err
}

// extensions are those that databases may create here.
func (p *postgres) extensions(ctx context.Context, c *pgx.Conn) error {
	return texts(ctx, c, "SELECT name, default_version FROM pg_catalog.pg_available_extensions ORDER BY name", func(v []string) {
		p.e.Extensions = append(p.e.Extensions, schema.Software{Name: v[0], Version: v[1]})
	})
}

// collations are those that depend on a library outside, with its version now.
func (p *postgres) collations(ctx context.Context, c *pgx.Conn) error {
	if p.number < 100000 {
		return nil
	}
	err := texts(ctx, c, `SELECT DISTINCT collname, collprovider, coalesce(pg_catalog.pg_collation_actual_version(oid), '') FROM pg_catalog.pg_collation
WHERE collprovider IN ('c','i')`, func(v []string) {
		p.e.Collations = append(p.e.Collations, schema.Collation{Name: v[0], Provider: pgProvider(v[1]), Version: v[2]})
	})
	slices.SortFunc(p.e.Collations, func(a, b schema.Collation) int {
		return strings.Compare(a.Name+"\x00"+a.Provider, b.Name+"\x00"+b.Provider)
	})
	return err
}

func pgProvider(letter string) string {
	switch letter {
	case "c":
		return "libc"
	case "i":
		return "icu"
	case "b":
		return "builtin"
	}
	return letter
}

// roles are asked for with the scheme of their passwords where the session may
// see that; the passwords' hashes stay where they are.
func (p *postgres) roles(ctx context.Context, c *pgx.Conn) ([]schema.DatabaseUser, error) {
	const attributes = `r.rolname, concat_ws(',', CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolcreatedb THEN 'createdb' END,
CASE WHEN r.rolcreaterole THEN 'createrole' END, CASE WHEN r.rolreplication THEN 'replication' END, CASE WHEN r.rolcanlogin THEN 'login' END,
CASE WHEN r.rolbypassrls THEN 'bypassrls' END, CASE WHEN NOT r.rolinherit THEN 'noinherit' END,
CASE WHEN r.rolconnlimit >= 0 THEN 'connection limit ' || r.rolconnlimit END, CASE WHEN r.rolvaliduntil IS NOT NULL THEN 'valid until ' || r.rolvaliduntil END)`
	var out []schema.DatabaseUser
	add := func(v []string) {
		u := schema.DatabaseUser{Engine: "postgresql", Name: v[0], Plugin: v[2]}
		if v[1] != "" {
			u.Attributes = strings.Split(v[1], ",")
		}
		out = append(out, u)
	}
	const mine = ` WHERE r.rolname !~ '^pg_' ORDER BY 1`
	err := texts(ctx, c, "SELECT "+attributes+`, CASE WHEN r.rolpassword LIKE 'md5%' THEN 'md5' WHEN r.rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram-sha-256'
WHEN r.rolpassword IS NULL THEN '' ELSE 'unknown' END FROM pg_catalog.pg_authid r`+mine, add)
	if err != nil { // only superusers may
		out = nil
		err = texts(ctx, c, "SELECT "+attributes+", '' FROM pg_catalog.pg_roles r"+mine, add)
	}
	if err != nil {
		return nil, err
	}
	at := map[string]*schema.DatabaseUser{}
	for i := range out {
		at[out[i].Name] = &out[i]
	}
	grant := func(v []string) {
		if u := at[v[0]]; u != nil && len(u.Grants) < maxPerObject {
			if len(v) > 2 { // a setting of the role: name=value
				v[1] += roleSetting(v[2])
			}
			u.Grants = append(u.Grants, v[1])
		}
	}
	for _, q := range []string{
		`SELECT m.rolname, 'GRANT ' || quote_ident(r.rolname) || ' TO ' || quote_ident(m.rolname) || CASE WHEN a.admin_option THEN ' WITH ADMIN OPTION' ELSE '' END
FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles r ON r.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member ORDER BY 1, 2`,
		`SELECT g.rolname, 'GRANT ' || string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) || ' ON DATABASE ' || quote_ident(d.datname) || ' TO ' || quote_ident(g.rolname)
FROM pg_catalog.pg_database d, LATERAL pg_catalog.aclexplode(d.datacl) x JOIN pg_catalog.pg_roles g ON g.oid = x.grantee GROUP BY g.rolname, d.datname ORDER BY 1, 2`,
		`SELECT r.rolname, 'ALTER ROLE ' || quote_ident(r.rolname) || coalesce(' IN DATABASE ' || quote_ident(d.datname), '') || ' SET ', c
FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, LATERAL unnest(s.setconfig) c ORDER BY 1, 2`,
	} {
		if err := texts(ctx, c, q, grant); err != nil {
			return out, err
		}
	}
	return out, nil
}

// roleSetting is a setting of a role as it may be told: people keep keys of
// their programs there.
func roleSetting(s string) string {
	name, value, _ := strings.Cut(s, "=")
	return name + "=" + shown(name, value)
}

// databases lists them; templates are the server's own.
func (p *postgres) databases(ctx context.Context, c *pgx.Conn) ([]foundDatabase, error) {
	provider, version := "'c'", "''"
	if p.number >= 150000 {
		provider, version = "d.datlocprovider::text", "coalesce(d.datcollversion, '')"
	}
	icu := "''"
	switch {
	case p.number >= 170000:
		icu = "coalesce(d.datlocale, '')"
	case p.number >= 150000:
		icu = "coalesce(d.daticulocale, '')"
	}
	var out []foundDatabase
	err := texts(ctx, c, `SELECT d.datname, coalesce(o.rolname, ''), pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, `+provider+`, `+version+`, `+icu+`,
CASE WHEN d.datallowconn THEN '' ELSE 'closed' END,
CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'MEMBER') THEN pg_catalog.pg_database_size(d.oid) ELSE 0 END,
array_to_string(ARRAY(SELECT DISTINCT g.rolname FROM pg_catalog.aclexplode(d.datacl) x JOIN pg_catalog.pg_roles g ON g.oid = x.grantee WHERE NOT g.rolsuper), E'\x01'),
coalesce(o.rolsuper, false)
FROM pg_catalog.pg_database d LEFT JOIN pg_catalog.pg_roles o ON o.oid = d.datdba WHERE NOT d.datistemplate ORDER BY d.datname`, func(v []string) {
		d := foundDatabase{found: schema.Database{Engine: "postgresql", Version: p.e.Version, Name: v[0], Mode: v[8]}}
		d.found.Detail = &schema.ObjectDetail{Owner: v[1], Charset: v[2], Collation: v[3], Provider: pgProvider(v[5]), CollVersion: v[6]}
		if v[7] != "" {
			d.found.Detail.Collation = v[7]
		}
		d.found.Bytes, _ = strconv.ParseInt(v[9], 10, 64)
		switch {
		case v[11] != "t": // who owns it has it, whoever else may connect
			d.users = []string{v[1]}
		case v[10] != "":
			d.users = strings.Split(v[10], "\x01")
		}
		out = append(out, d)
	})
	return out, err
}
