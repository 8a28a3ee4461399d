import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { run } from "../../../src/core/exec.ts";

/** A data directory as a personal Sophon keeps it, with a database that is open in WAL mode. */
export interface LiveData extends Disposable {
  readonly path: string;
  readonly database: DatabaseSync;
}

/** Makes one below an empty directory; its last rows are in the `-wal` only. */
export async function liveData(root: string): Promise<LiveData> {
  const path = join(root, "sophon-data");
  for (const part of ["security", "data", "agents"]) {
    await mkdir(join(path, part), { recursive: true });
  }
  await writeFile(join(path, "security/vault.key"), Buffer.alloc(32, 7), { mode: 0o600 });
  await writeFile(join(path, "agents/a file.md"), "an agent\n".repeat(4000));
  const database = new DatabaseSync(join(path, "data/sophon.db"));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF");
  database.exec("CREATE TABLE agents (id INTEGER PRIMARY KEY, name TEXT)");
  database.exec("CREATE TABLE runs (id INTEGER PRIMARY KEY, agent INTEGER REFERENCES agents(id))");
  for (let id = 1; id <= 50; id++) {
    database.prepare("INSERT INTO agents VALUES (?, ?)").run(id, `agent ${id}`);
    database.prepare("INSERT INTO runs VALUES (?, ?)").run(id, id);
  }
  return { path, database, [Symbol.dispose]: () => database.close() };
}

/** The page's own command: `tar czf sophon-backup-$(date +%Y%m%d).tar.gz -C "$SOPHON_DATA" .` */
export async function pageTar(
  data: string,
  into: string,
  name = "sophon-backup-20260324.tar.gz",
): Promise<string> {
  const archive = join(into, name);
  await run("tar", ["czf", archive, "-C", data, "."]);
  return archive;
}

/** What `pg_dump -U sophon sophon` of PostgreSQL 17.6 writes, in short. */
export const plainDump = `--
-- PostgreSQL database dump
--

\\restrict 3mQ0zV5xYbq1

-- Dumped from database version 17.6 (Debian 17.6-0+deb13u1)
-- Dumped by pg_dump version 17.6 (Debian 17.6-0+deb13u1)

SET statement_timeout = 0;
SET client_encoding = 'UTF8';

CREATE TABLE public."Agents" (
    "Id" integer NOT NULL,
    "Name" text
);

ALTER TABLE public."Agents" OWNER TO sophon;

COPY public."Agents" ("Id", "Name") FROM stdin;
1\tfirst
2\t-- PostgreSQL database dump complete
3\tCOPY public.x (y) FROM stdin;
\\.

SELECT pg_catalog.setval('public."Agents_Id_seq"', 3, true);

ALTER TABLE ONLY public."Agents"
    ADD CONSTRAINT "PK_Agents" PRIMARY KEY ("Id");

--
-- PostgreSQL database dump complete
--

\\unrestrict 3mQ0zV5xYbq1

`;
