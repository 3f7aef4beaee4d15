//go:build linux

package enginetest

import (
	"os"
	"path/filepath"
	"testing"
)

// Trap makes the table trap of three rows, which belongs to the role, and whose
// index has a predicate that runs a program where a superuser has a query of the
// table planned. It shows that it does, and returns a function that says whether
// it has run since.
func (p *Postgres) Trap(t testing.TB, database, role string) (sprung func() bool) {
	t.Helper()
	mark := filepath.Join(p.Data, "sprung") // where the server's user can write
	p.Exec(database, "CREATE SCHEMA trap AUTHORIZATION "+role, "SET ROLE "+role, "CREATE TABLE trap.trap (t text, a int)", "INSERT INTO trap.trap VALUES ('x', 1), ('y', 2), ('z', 3)",
		"CREATE FUNCTION trap.f(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'", "CREATE INDEX ON trap.trap (a) WHERE trap.f(1)",
		"CREATE FUNCTION trap.g() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN COPY (SELECT 1) TO PROGRAM 'cat > "+mark+"'; RETURN true; END $$",
		"CREATE OR REPLACE FUNCTION trap.f(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN trap.g(); END $$", "RESET ROLE")
	sprung = func() bool {
		_, err := os.Lstat(mark)
		return err == nil
	}
	if p.Rows(database, "SELECT count(*) FROM ONLY trap.trap"); !sprung() {
		t.Fatal("the trap does nothing: it tests nothing")
	}
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	return sprung
}
