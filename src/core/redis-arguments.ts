import type { RedisStore } from "../model/stack.ts";

/** How the client in a server's container reaches the server. */
type RedisAccess = Pick<RedisStore, "port" | "user" | "socket" | "tls">;

/** The options of `redis-cli` for a server. The password is not among them: it belongs into `REDISCLI_AUTH`. */
export function redisArguments({ port, user, socket, tls }: RedisAccess): string[] {
  const place = socket === undefined ? ["-p", String(port)] : ["-s", socket];
  const { certificate, key } = tls ?? {};
  return [
    ...place,
    ...(user === undefined ? [] : ["--user", user]),
    // The server is reached inside its own container, where its certificate's name does not fit.
    ...(tls === undefined ? [] : ["--tls", "--insecure"]),
    ...(certificate === undefined || key === undefined
      ? []
      : ["--cert", certificate, "--key", key]),
  ];
}
