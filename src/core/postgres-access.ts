import type { PostgresStore } from "../model/stack.ts";

/** The environment with which a PostgreSQL program in a server's container reaches the server. */
export function postgresAccess({
  password,
  port,
  host,
}: Pick<PostgresStore, "password" | "port" | "host">): Record<string, string> {
  return {
    ...(password === undefined ? {} : { PGPASSWORD: password }),
    ...(port === undefined ? {} : { PGPORT: String(port) }),
    ...(host === undefined ? {} : { PGHOST: host }),
  };
}
