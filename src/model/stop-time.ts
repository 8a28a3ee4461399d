import type { ContainerState } from "./stack.ts";

/**
 * The engine kills after ten seconds, in which a database under load does not always write what it has in memory:
 * PostgreSQL would recover from its log at its next start, Redis and RabbitMQ could lose what they had not written. The
 * time is a limit and not a wait: a server that has ended goes on at once.
 */
const serverSeconds = 120;

/**
 * How many seconds a store's server may take to stop: its own `stop_grace_period`, and never less than a clean end may
 * need. Undefined is its own time, which the engine knows.
 */
export function serverStopSeconds(
  container: Pick<ContainerState, "stopTimeoutSeconds"> | undefined,
): number | undefined {
  const { stopTimeoutSeconds: own = 0 } = container ?? {};
  // Below zero is for ever.
  return own >= 0 ? Math.max(own, serverSeconds) : undefined;
}
