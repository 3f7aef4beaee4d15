package ask

import (
	"context"
	"errors"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stopover/stopover/schema"
)

// askPostgreSQL asks PostgreSQL, over a connection that is there already. What
// the environment of this program says about PostgreSQL is none of its business.
func (q *asking) askPostgreSQL(ctx context.Context, d schema.ProbedDatabase, conn net.Conn) error {
	cfg, err := q.postgreSQL(d, conn)
	if err != nil {
		return err
	}
	c, err := pgconn.ConnectConfig(ctx, cfg)
	if err == nil {
		defer func() { _ = c.Close(ctx) }()
		err = q.readRows(ctx, c)
	}
	var no *pgconn.PgError
	if errors.As(err, &no) {
		q.refuse("error " + no.Code + ": " + no.Message)
		return nil
	}
	return err
}

func (q *asking) postgreSQL(d schema.ProbedDatabase, conn net.Conn) (*pgconn.Config, error) {
	// The library makes configurations itself or takes none. The password is a
	// filler, so that it looks for none in files.
	cfg, err := pgconn.ParseConfig("host=server port=5432 user=x password=x dbname=x sslmode=disable target_session_attrs=any")
	if err != nil {
		return nil, errors.New("the variables PG… of the environment of Stopover cannot be understood: unset them")
	}
	cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Database = d.Host, 5432, d.User, q.secret, d.Name
	cfg.Fallbacks, cfg.TLSConfig, cfg.ValidateConnect, cfg.AfterConnect, cfg.ConnectTimeout = nil, nil, nil, nil, 0
	cfg.RuntimeParams = map[string]string{"application_name": "stopover-probe", "default_transaction_read_only": "on"}
	cfg.MaxProtocolMessageBodyLen = 1 << 20
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	once := conn
	cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		if once == nil {
			return nil, errors.New("the connection is lost")
		}
		c := once
		once = nil
		return c, nil
	}
	if q.Security != schema.SecurityPlain && q.Security != "" {
		cfg.TLSConfig = q.tls(q.tlsName(d.Host))
	}
	return cfg, nil
}

func (q *asking) readRows(ctx context.Context, c *pgconn.PgConn) error {
	if _, err := c.Exec(ctx, "begin read only").ReadAll(); err != nil {
		return err
	}
	rows := c.ExecParams(ctx, q.Query, nil, nil, nil, nil) // one statement, and values as text
	for rows.NextRow() {
		if !q.row(rows.Values()) {
			return nil // what is not read ends with the connection
		}
	}
	_, err := rows.Close()
	return err
}
