import type { DatabaseFacts } from "./catalog.ts";
import { identifier, literal } from "./client.ts";

/** Settings whose stored value is an already quoted list (PostgreSQL's `GUC_LIST_QUOTE`). */
const QUOTED_LISTS = new Set([
  "local_preload_libraries",
  "search_path",
  "session_preload_libraries",
  "shared_preload_libraries",
  "temp_tablespaces",
  "unix_socket_directories",
]);

/**
 * `CREATE DATABASE` under another name, with the original properties. The template is `template0`, because a dump is
 * relative to it. Encoding and locale cannot be changed later.
 */
export function createDatabase(name: string, facts: DatabaseFacts): string {
  const { datlocprovider: provider } = facts;
  const locale = facts.datlocale ?? facts.daticulocale ?? undefined;
  return [
    `CREATE DATABASE ${identifier(name)} TEMPLATE template0 OWNER ${identifier(facts.owner)}`,
    `ENCODING ${literal(facts.encodingName)}`,
    `LC_COLLATE ${literal(facts.datcollate)} LC_CTYPE ${literal(facts.datctype)}`,
    ...(provider === "c" ? ["LOCALE_PROVIDER libc"] : []),
    ...(provider === "i" ? ["LOCALE_PROVIDER icu"] : []),
    ...(provider === "b" ? ["LOCALE_PROVIDER builtin"] : []),
    ...(provider === "i" && locale !== undefined ? [`ICU_LOCALE ${literal(locale)}`] : []),
    ...(provider === "b" && locale !== undefined ? [`BUILTIN_LOCALE ${literal(locale)}`] : []),
    ...(typeof facts.daticurules === "string" ? [`ICU_RULES ${literal(facts.daticurules)}`] : []),
    ...(facts.tablespace === "pg_default" ? [] : [`TABLESPACE ${identifier(facts.tablespace)}`]),
  ].join(" ");
}

/** The properties that `pg_restore` into a database does not restore: settings, privileges, comment, limit. */
export function databaseProperties(facts: DatabaseFacts): string[] {
  const name = identifier(facts.datname);
  const limit =
    facts.datconnlimit === -1
      ? []
      : [`ALTER DATABASE ${name} CONNECTION LIMIT ${facts.datconnlimit}`];
  const comment =
    facts.comment === null ? [] : [`COMMENT ON DATABASE ${name} IS ${literal(facts.comment)}`];
  return [...limit, ...comment, ...settings(name, facts), ...privileges(name, facts)];
}

function settings(name: string, facts: DatabaseFacts): string[] {
  return facts.settings.flatMap(({ role, config }) => {
    const subject =
      role === null
        ? `ALTER DATABASE ${name}`
        : `ALTER ROLE ${identifier(role)} IN DATABASE ${name}`;
    return config.map((entry) => {
      const at = entry.indexOf("=");
      const [key, value] = [entry.slice(0, at), entry.slice(at + 1)];
      return `${subject} SET ${identifier(key)} TO ${QUOTED_LISTS.has(key) ? value : literal(value)}`;
    });
  });
}

function privileges(name: string, facts: DatabaseFacts): string[] {
  if (!facts.hasAcl) return [];
  const revoked = ["PUBLIC", identifier(facts.owner)];
  return [
    ...revoked.map((role) => `REVOKE ALL ON DATABASE ${name} FROM ${role}`),
    ...facts.grants.map(({ grantee, privilege, grantable }) => {
      const to = grantee === null ? "PUBLIC" : identifier(grantee);
      return `GRANT ${privilege} ON DATABASE ${name} TO ${to}${grantable ? " WITH GRANT OPTION" : ""}`;
    }),
  ];
}
