package ask

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/stopover/stopover/schema"
)

// askMariaDB asks MariaDB or MySQL, over a connection that is there already. The
// driver is used as it is: database/sql would run parts of it elsewhere, where
// nothing catches what a hostile server does to it.
func (q *asking) askMariaDB(ctx context.Context, d schema.ProbedDatabase, conn net.Conn) error {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = d.User, q.secret, d.Name
	cfg.Net, cfg.Addr = "tcp", d.Host
	cfg.Logger = &mysql.NopLogger{} // it writes to the terminal otherwise
	cfg.CheckConnLiveness = false   // which looks into the socket; a forwarded one has none
	cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	if q.Security != schema.SecurityPlain && q.Security != "" {
		cfg.TLS = q.tls(q.tlsName(d.Host))
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	c, err := connector.Connect(ctx)
	if err == nil {
		defer c.Close()
		err = q.readOnly(ctx, c)
	}
	var no *mysql.MySQLError
	if errors.As(err, &no) {
		q.refuse(no.Error())
		return nil
	}
	return err
}

func (q *asking) readOnly(ctx context.Context, c driver.Conn) error {
	do, canDo := c.(driver.ExecerContext)
	query, canAsk := c.(driver.QueryerContext)
	if !canDo || !canAsk {
		return errors.New("the driver cannot ask with a time limit")
	}
	for _, order := range []string{
		// MariaDB ends a transaction before it changes a schema: without this one
		// statement could still drop a table.
		"SET SESSION TRANSACTION READ ONLY",
		"START TRANSACTION READ ONLY",
	} {
		if _, err := do.ExecContext(ctx, order, nil); err != nil {
			return err
		}
	}
	rows, err := query.QueryContext(ctx, q.Query, nil)
	if err != nil {
		return err
	}
	values := make([]driver.Value, len(rows.Columns()))
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		row := make([][]byte, len(values))
		for i, v := range values {
			row[i] = bytesOf(v)
		}
		if !q.row(row) {
			return nil // what is not read ends with the connection
		}
	}
}

// bytesOf is a value as text; nil: there is none.
func bytesOf(v driver.Value) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case []byte:
		return append([]byte{}, v...)
	}
	return fmt.Append(nil, v)
}
