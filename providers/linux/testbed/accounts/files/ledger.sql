CREATE ROLE ledger LOGIN;
CREATE DATABASE ledger OWNER ledger;
\connect ledger
SET ROLE ledger;
CREATE TABLE entries (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), what text NOT NULL, amount numeric(12,2));
INSERT INTO entries (what, amount) SELECT 'entry ' || n, n * 1.25 FROM generate_series(1, 800) n;
CREATE INDEX entries_what ON entries (what);
CREATE TABLE nokey (a int);
INSERT INTO nokey SELECT generate_series(1, 5);
CREATE UNLOGGED TABLE cache (k text PRIMARY KEY, v text);
INSERT INTO cache SELECT 'k' || n, 'v' FROM generate_series(1, 3) n;
CREATE VIEW total AS SELECT sum(amount) FROM entries;
CREATE FUNCTION double(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
SELECT lo_from_bytea(0, 'a large object');
RESET ROLE;
CREATE EXTENSION pg_trgm;
