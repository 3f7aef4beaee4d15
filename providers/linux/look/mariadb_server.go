//go:build linux

package look

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// mariadbSettings are the variables that two servers are compared by, and that
// decide how databases move.
const mariadbSettings = `'sql_mode','max_allowed_packet','log_bin','binlog_format','binlog_row_image','server_id','gtid_mode',
'character_set_server','collation_server','character_set_collations','lower_case_table_names','innodb_page_size','innodb_file_per_table',
'innodb_strict_mode','innodb_default_row_format','innodb_large_prefix','innodb_file_format','innodb_compression_algorithm',
'innodb_encrypt_tables','innodb_buffer_pool_size','innodb_log_file_size','innodb_flush_log_at_trx_commit','sync_binlog',
'time_zone','system_time_zone','event_scheduler','have_ssl','require_secure_transport','tls_version','datadir','default_storage_engine',
'wait_timeout','interactive_timeout','max_connections','max_user_connections','local_infile','secure_file_priv','sql_require_primary_key',
'log_bin_trust_function_creators','default_authentication_plugin','authentication_policy','explicit_defaults_for_timestamp','old_mode',
'read_only','super_read_only','skip_name_resolve','bind_address','port','max_statement_time','max_execution_time','expire_logs_days',
'binlog_expire_logs_seconds','tx_isolation','transaction_isolation','group_concat_max_len','ft_min_word_len','innodb_ft_min_token_size',
'system_versioning_alter_history','version_comment','strict_password_validation','plugin_maturity','wsrep_on'`

func (m *mariadb) settings(ctx context.Context) error {
	m.e.Settings = map[string]string{}
	err := m.each(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ("+mariadbSettings+") OR Variable_name LIKE 'gtid\\_%'", func(v []string) error {
		m.e.Settings[v[0]] = v[1]
		return nil
	})
	m.e.Data = m.e.Settings["datadir"]
	return err
}

// plugins lists those that databases and users may lean on.
func (m *mariadb) plugins(ctx context.Context) error {
	return m.each(ctx, `SELECT PLUGIN_NAME, PLUGIN_VERSION FROM information_schema.PLUGINS
WHERE PLUGIN_STATUS='ACTIVE' AND PLUGIN_TYPE NOT IN ('INFORMATION SCHEMA','DAEMON') ORDER BY PLUGIN_NAME, PLUGIN_VERSION`, func(v []string) error {
		m.e.Extensions = append(m.e.Extensions, schema.Software{Name: v[0], Version: v[1]})
		return nil
	})
}

// collations are asked for with the character set in front: since 10.10 one of
// MariaDB's may be there for several of them.
func (m *mariadb) collations(ctx context.Context) error {
	add := func(v []string) error {
		m.e.Charsets = append(m.e.Charsets, v[0])
		return nil
	}
	err := m.each(ctx, "SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY", add)
	if err != nil { // an older one
		err = m.each(ctx, "SELECT COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY", add)
	}
	slices.Sort(m.e.Charsets)
	m.e.Charsets = slices.Compact(m.e.Charsets)
	return err
}

// users lists users and roles. Grants come from the server itself, which alone
// knows how to write them, without what follows IDENTIFIED.
func (m *mariadb) users(ctx context.Context) ([]schema.DatabaseUser, error) {
	var out []schema.DatabaseUser
	add := func(v []string) error {
		if strings.HasPrefix(v[0], "mysql.") || v[0] == "mariadb.sys" || v[0] == "PUBLIC" && v[1] == "" {
			return nil // the server's own
		}
		u := schema.DatabaseUser{Engine: m.e.Name, Name: v[0], Host: v[1], Plugin: v[2]}
		for _, p := range strings.FieldsFunc(v[3], func(r rune) bool { return strings.ContainsRune(`[]", `, r) }) {
			if p != u.Plugin && p != "" {
				u.Plugin += " or " + p
			}
		}
		for i, name := range []string{"role", "locked", "expired"} {
			if v[4+i] == "Y" || v[4+i] == "true" || v[4+i] == "1" {
				u.Attributes = append(u.Attributes, name)
			}
		}
		if v[7] != "" {
			u.Attributes = append(u.Attributes, "tls "+strings.ToLower(v[7]))
		}
		out = append(out, u)
		return nil
	}
	// Only what is named is taken out of the document: its hashes stay there.
	err := m.each(ctx, `SELECT g.User, g.Host, JSON_VALUE(g.Priv,'$.plugin'), JSON_EXTRACT(g.Priv,'$.auth_or[*].plugin'),
IF(JSON_VALUE(g.Priv,'$.is_role')='1' OR JSON_VALUE(g.Priv,'$.is_role')='true','Y','N'), JSON_VALUE(g.Priv,'$.account_locked'),
u.password_expired, u.ssl_type FROM mysql.global_priv g LEFT JOIN mysql.user u ON u.User=g.User AND u.Host=g.Host`, add)
	if err != nil && m.e.Name == "mysql" {
		out = nil
		err = m.each(ctx, "SELECT User, Host, plugin, '', 'N', account_locked, password_expired, ssl_type FROM mysql.user", add)
	} else if err != nil { // before 10.4
		out = nil
		err = m.each(ctx, "SELECT User, Host, plugin, '', is_role, 'N', password_expired, ssl_type FROM mysql.user", add)
	}
	if err != nil {
		return nil, err
	}
	for i := range out {
		if err := m.grants(ctx, &out[i]); err != nil && ctx.Err() != nil {
			return out, err
		}
	}
	slices.SortFunc(out, byDatabaseUser)
	return out, nil
}

func (m *mariadb) grants(ctx context.Context, u *schema.DatabaseUser) error {
	who := quoteText(u.Name)
	if !slices.Contains(u.Attributes, "role") {
		who += "@" + quoteText(u.Host)
	}
	err := m.each(ctx, "SHOW GRANTS FOR "+who, func(v []string) error {
		if len(u.Grants) < maxPerObject {
			u.Grants = append(u.Grants, withoutSecrets(v[0]))
		}
		return nil
	})
	if err != nil { // a broken entry says so, and costs its own grants
		u.Attributes = append(u.Attributes, "grants not readable: "+reason(err))
	}
	return err
}

// quoteText writes a string for a session whose sql_mode is empty.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`).Replace(s) + "'"
}

// withoutSecrets cuts out of a GRANT how the user identifies itself: from
// IDENTIFIED to what may follow it. Quoted words are passed over whole.
func withoutSecrets(grant string) string {
	var out strings.Builder
	keep := true
	for i := 0; i < len(grant); {
		end := wordEnd(grant, i)
		word := grant[i:end]
		switch strings.ToUpper(word) {
		case "IDENTIFIED":
			keep = false
		case "REQUIRE":
			keep = true
		case "WITH": // not the one of IDENTIFIED WITH
			after := strings.ToUpper(strings.TrimSpace(grant[end:]))
			keep = keep || strings.HasPrefix(after, "GRANT OPTION") || strings.HasPrefix(after, "MAX_") || strings.HasPrefix(after, "ADMIN")
		}
		if keep {
			out.WriteString(word)
		}
		i = end
	}
	return strings.TrimSpace(out.String())
}

// wordEnd is where the word, quoted word or character at i ends.
func wordEnd(s string, i int) int {
	c := s[i]
	if c == '\'' || c == '"' || c == '`' {
		for j := i + 1; j < len(s); j++ {
			switch {
			case s[j] == '\\' && c != '`':
				j++
			case s[j] == c && j+1 < len(s) && s[j+1] == c:
				j++
			case s[j] == c:
				return j + 1
			}
		}
		return len(s)
	}
	letter := func(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80 }
	if !letter(c) {
		return i + 1
	}
	for i < len(s) && letter(s[i]) {
		i++
	}
	return i
}

// rights notes who has rights on each database by itself. A pattern that fits
// everything is an administrator's.
func (m *mariadb) rights(ctx context.Context) error {
	patterns := map[string][]string{} // by user
	if err := m.each(ctx, "SELECT DISTINCT User, Db FROM mysql.db", func(v []string) error {
		if strings.Trim(v[1], "%") != "" {
			patterns[v[1]] = append(patterns[v[1]], v[0])
		}
		return nil
	}); err != nil {
		return err
	}
	for p, users := range patterns {
		if d := m.db[strings.NewReplacer(`\_`, `_`, `\%`, `%`, `\\`, `\`).Replace(p)]; d != nil && !strings.ContainsAny(strings.NewReplacer(`\_`, ``, `\%`, ``).Replace(p), "%") {
			d.users = append(d.users, users...)
			continue
		}
		for name, d := range m.db {
			if like(p, name) {
				d.users = append(d.users, users...)
			}
		}
	}
	for _, table := range []string{"tables_priv", "columns_priv", "procs_priv"} {
		if err := m.each(ctx, "SELECT DISTINCT User, Db FROM mysql."+table, func(v []string) error {
			if d := m.db[v[1]]; d != nil {
				d.users = append(d.users, v[0])
			}
			return nil
		}); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}

// like says whether a name fits a pattern with % and _, which \ makes letters.
// Only the last % that was passed is gone back to, so that no pattern takes long.
func like(pattern, name string) bool {
	p, n, backP, backN := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '%':
			p++
			backP, backN = p, n
			continue
		case p+1 < len(pattern) && pattern[p] == '\\' && pattern[p+1] == name[n]:
			p, n = p+2, n+1
			continue
		case p < len(pattern) && pattern[p] != '\\' && (pattern[p] == '_' || pattern[p] == name[n]):
			p, n = p+1, n+1
			continue
		case backP < 0:
			return false
		}
		backN++
		p, n = backP, backN
	}
	return strings.Trim(pattern[p:], "%") == ""
}
