import type { Clone } from "../clone/clone.ts";
import type { GateTarget } from "../gate/target.ts";
import { type WatchVerdict, watch } from "../gate/watch.ts";
import type { Dependencies } from "../session/command.ts";
import { FirstAnswers } from "./first-answers.ts";
import { type Earlier, sinceStart } from "./since-start.ts";

/** A verdict with the logs that it was made from, by the name of the container. */
export interface StartVerdict extends WatchVerdict {
  readonly texts: Readonly<Record<string, string>>;
  /** How long it took until every probed server answered; undefined if none was probed or one does not. */
  readonly answeringSeconds?: number;
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
  const whole = clone.target(databases, true);
  const started = sinceStart(whole, await earlierIn(clone, whole));
  const texts: Record<string, string> = {};
  const answers = new FirstAnswers(dependencies.clock);
  const masked = withoutSecrets(started, rules.mask, { texts, answers });
  const target = rules.withoutHealth ? withoutHealth(masked) : masked;
  const over = new AbortController();
  const booting = keepBooting(clone, dependencies.clock, AbortSignal.any([signal, over.signal]));
  try {
    const verdict = await watch(target, rules, dependencies);
    const { seconds: answeringSeconds } = answers;
    return { ...verdict, texts, ...(answeringSeconds === undefined ? {} : { answeringSeconds }) };
  } finally {
    over.abort(new Error("the gate has decided"));
    await booting;
  }
}

async function earlierIn(
  clone: Pick<Clone, "containers">,
  target: Pick<GateTarget, "log">,
): Promise<ReadonlyMap<string, Earlier>> {
  const found = (await clone.containers()).map(async (one): Promise<[string, Earlier]> => {
    const { id, state, startedAt } = one;
    const said = state === "running" ? "" : ((await target.log(one)) ?? "");
    return [id, { state, startedAt, said }];
  });
  return new Map(await Promise.all(found));
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

/** Masks what the images say before anything is made of it, and notes their logs and answers. */
function withoutSecrets(
  target: GateTarget,
  mask: StartRules["mask"],
  noted: { readonly texts: Record<string, string>; readonly answers: FirstAnswers },
): GateTarget {
  return {
    ...target,
    probe: async (one) => {
      const answer = await target.probe(one);
      if (answer !== undefined) noted.answers.note(one.name, answer.healthy);
      return answer && { ...answer, detail: mask(answer.detail) };
    },
    log: async (one) => {
      const text = await target.log(one);
      if (text === undefined) return undefined;
      const safe = mask(text);
      noted.texts[one.name] = safe;
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
