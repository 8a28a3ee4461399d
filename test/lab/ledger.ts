import type { LabStack } from "./lab-stack.ts";

/** A write that its store has acknowledged. */
export interface LedgerEntry {
  /** When the acknowledgement came, in milliseconds since the epoch by the host's clock. */
  readonly at: number;
  readonly store: "sqlite" | "postgres" | "qdrant" | "redis" | "rabbitmq" | "file";
  /** The table, collection, key, queue or file. */
  readonly target: string;
  /** Row key, point id, message id, or the key within a line of the log file. */
  readonly key: string;
}

/** Follows the gateway's ledger, across its restarts. */
export interface Ledger extends AsyncDisposable {
  /** All that was acknowledged until now, as far as it has been told. */
  entries(): readonly LedgerEntry[];
  /** Asks once more, stops following and returns everything. */
  stop(): Promise<readonly LedgerEntry[]>;
}

/**
 * Starts to follow the writers of a stack. What a killed gateway had acknowledged but not yet told (some
 * milliseconds' worth) is missing, so the entries are a lower bound of what a copy must hold.
 */
export function followLedger(stack: LabStack): Ledger {
  const collected: LedgerEntry[] = [];
  const position = { boot: "", seq: 0 };
  const stopping = new AbortController();
  const follow = async () => {
    while (!stopping.signal.aborted) {
      const told = await ask(stack, position, collected, 1).catch(() => false);
      if (!told) await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const following = follow();
  const stop = async () => {
    stopping.abort();
    await following;
    await ask(stack, position, collected, 0).catch(() => false);
    return collected;
  };
  return {
    entries: () => collected,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

/** The keys of one store's entries that were acknowledged before a moment. */
export function keysBefore(
  entries: readonly LedgerEntry[],
  store: LedgerEntry["store"],
  beforeMs: number,
): Set<string> {
  const chosen = entries.filter((entry) => entry.store === store && entry.at < beforeMs);
  return new Set(chosen.map((entry) => entry.key));
}

async function ask(
  stack: LabStack,
  position: { boot: string; seq: number },
  collected: LedgerEntry[],
  waitSeconds: number,
): Promise<boolean> {
  const url = `${stack.gatewayUrl}/lab/ledger?since=${position.seq}&wait=${waitSeconds}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  const { boot, entries } = (await response.json()) as { boot: string; entries: LedgerEntry[] };
  if (boot !== position.boot && position.seq > 0) {
    // Another process: its ledger begins anew.
    Object.assign(position, { boot, seq: 0 });
    return await ask(stack, position, collected, 0);
  }
  for (const entry of entries) collected.push(entry);
  Object.assign(position, { boot, seq: position.seq + entries.length });
  return true;
}
