package ask

import (
	"context"
	"database/sql"
	"errors"
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/stopover/stopover/schema"
)

// askMariaDB asks MariaDB or MySQL, over a connection that is there already.
func (q *asking) askMariaDB(ctx context.Context, d schema.ProbedDatabase, conn net.Conn) error {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = d.User, q.secret, d.Name
	cfg.Net, cfg.Addr = "tcp", d.Host
	cfg.Logger = &mysql.NopLogger{} // it writes to the terminal otherwise
	cfg.CheckConnLiveness = false   // which looks into the socket; a forwarded one has none
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
		cfg.TLS = q.tls(q.tlsName(d.Host))
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxOpenConns(1)
	err = q.readOnly(ctx, db)
	var no *mysql.MySQLError
	if errors.As(err, &no) {
		q.refuse(no.Error())
		return nil
	}
	return err
}

func (q *asking) readOnly(ctx context.Context, db *sql.DB) error {
	// MariaDB ends a transaction before it changes a schema: without this one
	// statement could still drop a table.
	if _, err := db.ExecContext(ctx, "SET SESSION TRANSACTION READ ONLY"); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was changed
	rows, err := tx.QueryContext(ctx, q.Query)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row := make([][]byte, len(values))
		for i, v := range values {
			row[i] = v
		}
		if !q.row(row) {
			return nil // what is not read ends with the connection
		}
	}
	return rows.Err()
}
