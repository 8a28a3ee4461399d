import { describe, expect, it } from "vitest";
import { PlainSqlGuard } from "../../../src/operations/manual/read/plain-sql.ts";

/** What the guard finds, in whatever pieces it is given the text. */
function problemOf(text: string): string | undefined {
  const bytes = Buffer.from(text);
  const found = [1, 2, 7, bytes.length].map((size) => {
    const guard = new PlainSqlGuard();
    for (let at = 0; at < bytes.length; at += size) guard.update(bytes.subarray(at, at + size));
    guard.end();
    return guard.problem;
  });
  expect(new Set(found).size).toBe(1);
  return found[0];
}

const good = `--
-- PostgreSQL database dump
--

\\restrict abcDEF123

SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;
COMMENT ON EXTENSION pgcrypto IS 'it''s; \\! not a command';
CREATE FUNCTION public.f(a integer) RETURNS integer
    LANGUAGE plpgsql
    AS $_$ begin return $1; -- ; \\! '
end $_$;
CREATE TABLE public."Mess;ages" (
    "Id" integer DEFAULT 1 NOT NULL,
    t text DEFAULT E'a\\'b\\\\'::text, j jsonb
);
ALTER TABLE public."Mess;ages" OWNER TO sophon;
COPY public."Mess;ages" ("Id", t, j) FROM stdin;
1	\\! touch /tmp/x	{}
2	\\N	\\\\.
\\connect other	a	'"$$/*
\\.


/* a /* nested */ comment ; \\! */
COPY public.empty (id) FROM stdin;
\\.

INSERT INTO public.n VALUES (1, 'a''b', NULL, -2.5, true, '\\x00');
INSERT INTO public.n (a, b) VALUES
	(1, 'x'),
	(2, E'y''s\\n''');
SELECT pg_catalog.lo_create('16400');
ALTER LARGE OBJECT 16400 OWNER TO sophon;
BEGIN;

SELECT pg_catalog.lo_open('16400', 131072);
SELECT pg_catalog.lowrite(0, '\\x00ff');
SELECT pg_catalog.lo_close(0);

COMMIT;

SELECT pg_catalog.setval('public.a_seq', 12, true);
ALTER TABLE ONLY public.n ADD CONSTRAINT n_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX i ON public.n USING btree (lower(a));
GRANT SELECT ON TABLE public.n TO reader;
REFRESH MATERIALIZED VIEW public.m;
--
-- PostgreSQL database dump complete
--

\\unrestrict abcDEF123
`;

describe("a plain dump as psql would read it", () => {
  it("is let pass when pg_dump wrote it", () => {
    expect(problemOf(good)).toBeUndefined();
  });

  it("is handed on without its own restriction, byte by byte otherwise", () => {
    const guard = new PlainSqlGuard();
    const bytes = Buffer.from(good);
    const out = [...bytes].map((byte) => guard.update(Buffer.from([byte])));
    const text = Buffer.concat([...out, guard.end()]).toString();
    expect(text).toBe(`${good.replace(/^(\\(un)?restrict \w+|BEGIN;|COMMIT;)$/gm, "")}\n`);
  });

  it.each([
    ["a shell command", "\\! id"],
    ["a shell command after a blank", "  \\! id"],
    ["a shell command after a statement", "SET lock_timeout = 0; \\! id"],
    ["a shell command inside a statement", "CREATE TABLE a (\n\\! id\n);"],
    ["a shell command after a comment", "/* a */ \\! id"],
    ["a shell command after a comment that a carriage return ends", "-- a\r\\! id"],
    ["an end after a comment that a carriage return ends", "-- a\rCOMMIT;"],
    ["a connection", " \\connect other"],
    ["a pipe", "\\o |id"],
    ["rows from a program", "\\copy t from program 'id'"],
    ["a query's result as statements", "SELECT 'DROP TABLE t' \\gexec"],
    ["a restriction that is lifted inside a statement", "CREATE TABLE\n\\unrestrict abc\n a();"],
    ["the end of the transaction", "COMMIT; DROP DATABASE other;"],
    ["another end of it", "ABORT;"],
    ["an end of it with a blank", " COMMIT;"],
    ["an end of it in small letters", "commit;"],
    ["an end of it that goes on", "COMMIT\n;"],
    ["an end in a comment's guise", "/*/**/*/ END;"],
    ["a database that goes", "DROP DATABASE other;"],
    ["a database that is made", "CREATE DATABASE other;"],
    ["a role that is made", "CREATE ROLE evil SUPERUSER LOGIN;"],
    ["a role that is another", "ALTER ROLE sophon PASSWORD 'x';"],
    ["a user that is another", "alter  user sophon superuser;"],
    ["membership", "GRANT pg_execute_server_program TO sophon;"],
    ["a setting of the server", "ALTER SYSTEM SET archive_command = 'id';"],
    ["a setting of the database", "ALTER DATABASE sophon SET search_path = evil;"],
    ["a program", "COPY t FROM PROGRAM 'id';"],
    ["a file", "COPY t TO '/etc/passwd';"],
    ["rows with options", "COPY t FROM stdin WITH (FORMAT csv);\n\\.\n"],
    ["a statement behind rows", "COPY t FROM stdin; SET lock_timeout = 0;\n\\.\n"],
    ["more behind rows", "COPY t FROM stdin; \\! id\n\\.\n"],
    ["rows for the roles", "COPY pg_catalog.pg_authid (rolname) FROM stdin;\nx\n\\.\n"],
    ["rows for the roles, unqualified", "COPY pg_authid (rolname) FROM stdin;\nx\n\\.\n"],
    ["rows for the roles, in quotes", 'COPY "pg_catalog"."pg_authid" FROM stdin;\nx\n\\.\n'],
    ["values for the settings", "INSERT INTO pg_catalog.pg_db_role_setting VALUES (0, 0, '{}');"],
    [
      "values for the settings, on lines",
      "INSERT\nINTO\n\tpg_db_role_setting VALUES (0, 0, '{}');",
    ],
    ["values by a name with escapes", 'INSERT INTO U&"pg\\005fcatalog".pg_authid VALUES (0);'],
    ["a table of the server", "ALTER TABLE ONLY pg_catalog.pg_proc OWNER TO sophon;"],
    [
      "a function of the server",
      "CREATE OR REPLACE FUNCTION pg_catalog.now() RETURNS int LANGUAGE sql AS '1';",
    ],
    ["a view of the server", "DROP VIEW IF EXISTS information_schema.tables;"],
    ["another role", "SET ROLE other;"],
    ["another session", "SET SESSION AUTHORIZATION other;"],
    ["texts with escapes", "SET standard_conforming_strings = off;"],
    [
      "texts with escapes by a function",
      "SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false);",
    ],
    ["an ambiguous encoding", "SET client_encoding = 'SJIS';"],
    ["a block", "DO $$ begin end $$;"],
    ["a call", "CALL f();"],
    ["a query", "SELECT lo_export(1, '/tmp/x');"],
    ["a value by a function", "INSERT INTO t VALUES (pg_read_file('/etc/passwd'));"],
    ["rows by a query", "INSERT INTO t SELECT f();"],
    ["a table by a query", "CREATE TABLE t AS SELECT lo_export(1, '/tmp/x');"],
    ["a language", "CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'x';"],
    ["a library", "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'system';"],
    ["a language in quotes", "CREATE FUNCTION f() RETURNS int LANGUAGE \"plperlu\" AS 'x';"],
    ["an extension", "CREATE EXTENSION dblink;"],
    ["an extension in quotes", 'CREATE EXTENSION "plpython3u";'],
    ["a foreign server", "CREATE SERVER s FOREIGN DATA WRAPPER w;"],
    ["a subscription", "CREATE SUBSCRIPTION s CONNECTION 'host=evil' PUBLICATION p;"],
    ["a variable of psql", "SET lock_timeout = :DBNAME;"],
    ["a NUL", "SET lock_timeout = 0;\0'\n\\! id\n--'"],
    ["a text without its end", "SET default_tablespace = 'x;\n\\! id"],
    ["a text that goes on", "COMMENT ON TABLE t IS E'a'\n'\\'; \\! id\n';"],
    ["a name without its end", 'CREATE TABLE "x;'],
    [
      "a body without its end",
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $a$ select 1; $b$;",
    ],
    ["a body of statements", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; COMMIT; END;"],
    ["a library that is loaded", "LOAD 'evil';"],
    ["rows without an end", "COPY t FROM stdin;\n1\n"],
  ])("is not: %s", (_what, text) => {
    expect(problemOf(`${text}\n`)).toBeDefined();
    expect(problemOf(good + text)).toBeDefined();
  });
});
