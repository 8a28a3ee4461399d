import type { Clone } from "../clone/clone.ts";
import type { GateTarget, TargetContainer } from "../gate/target.ts";
import { type WatchVerdict, watch } from "../gate/watch.ts";
import type { Dependencies } from "../session/command.ts";

/** A verdict with the logs that it was made from, by the name of the container. */
export interface StartVerdict extends WatchVerdict {
  readonly texts: Readonly<Record<string, string>>;
}

type StartDependencies = Pick<Dependencies, "clock" | "reporter" | "signal">;

/** How a start is judged. */
export interface StartRules {
  readonly healthTimeoutMs: number;
  readonly soakMs: number;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly mustLog?: readonly string[];
  /** Judges by the log and the schema alone, for a stack that cannot become healthy in isolation. */
  readonly withoutHealth: boolean;
  /** Masks secrets. A line is quoted only in part, and a part of a secret is not found in a report. */
  readonly mask: (text: string) => string;
}

const retryMs = 1_000;

/** Starts every service of a clone that does not run, and lets the gate judge the start. */
export async function startAndWatch(
  clone: Pick<Clone, "boot" | "containers" | "target">,
  databases: Pick<GateTarget, "schema" | "activity">,
  rules: StartRules,
  dependencies: StartDependencies,
): Promise<StartVerdict> {
  const { signal } = dependencies;
  const earlier = new Map((await clone.containers()).map((one) => [one.service, one.startedAt]));
  const started = sinceStart(clone.target(databases, true), earlier);
  const texts: Record<string, string> = {};
  const masked = withoutSecrets(started, rules.mask, texts);
  const target = rules.withoutHealth ? withoutHealth(masked) : masked;
  const over = new AbortController();
  const booting = keepBooting(clone, dependencies.clock, AbortSignal.any([signal, over.signal]));
  try {
    return { ...(await watch(target, rules, dependencies)), texts };
  } finally {
    over.abort(new Error("the gate has decided"));
    await booting;
  }
}

/**
 * Compose gives up when a dependency is not healthy in time. The gate gives a migration that makes progress more time,
 * so the rest is started once the dependency is healthy after all.
 */
async function keepBooting(
  clone: Pick<Clone, "boot">,
  clock: StartDependencies["clock"],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const isUp = await clone.boot(signal).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await clock.sleep(retryMs, signal).catch(() => undefined);
  }
}

/** A container that has not been started again has not ended: it waits for its start, and its log is of an earlier one. */
function sinceStart(target: GateTarget, earlier: ReadonlyMap<string, string>): GateTarget {
  const waiting = new Set<string>();
  const seen = (one: TargetContainer): TargetContainer => {
    const waits = one.state !== "running" && earlier.get(one.service) === one.startedAt;
    if (waits) waiting.add(one.id);
    else waiting.delete(one.id);
    return waits && one.state !== "gone" ? { ...one, state: "created" } : one;
  };
  return {
    ...target,
    containers: async () => (await target.containers()).map(seen),
    log: async (one) => (waiting.has(one.id) ? undefined : await target.log(one)),
  };
}

/** Masks what the images say before anything is made of it, and notes their logs. */
function withoutSecrets(
  target: GateTarget,
  mask: StartRules["mask"],
  texts: Record<string, string>,
): GateTarget {
  return {
    ...target,
    probe: async (one) => {
      const answer = await target.probe(one);
      return answer && { ...answer, detail: mask(answer.detail) };
    },
    log: async (one) => {
      const text = await target.log(one);
      if (text === undefined) return undefined;
      const safe = mask(text);
      texts[one.name] = safe;
      return safe;
    },
  };
}

function withoutHealth(target: GateTarget): GateTarget {
  return {
    ...target,
    containers: async () =>
      (await target.containers()).map((one) => {
        const ends = one.ends === "must" ? "may" : one.ends;
        return { ...one, state: "running", health: "none", startedAt: "", restartCount: 0, ends };
      }),
    probe: async () => undefined,
  };
}
