import { orReason } from "../../core/abort-reason.ts";
import { UnverifiableError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import type { Rehearsal } from "../../model/rehearsal.ts";
import type { Engine } from "../../stack/engine.ts";
import { tooLittleFree } from "../../stack/engine-space.ts";
import { type LiveLook, lookAtLive } from "../../stack/live-look.ts";
import type { Dependencies } from "../session/command.ts";
import { AnswerTimes } from "./answer-times.ts";
import { troubleOf } from "./live-trouble.ts";

type LiveFacts = NonNullable<Rehearsal["live"]>;

const everyMs = 1_000;
const diskEveryLooks = 2;
const mostBadLooks = 2;

/**
 * Watches over the live stack and the disk while `work` runs. The live stack comes first: the signal that `work` gets is
 * aborted when the live stack is not as well as at the beginning, when an upgrade or a restore of it begins, or when the
 * disk gets full.
 *
 * @throws UnverifiableError that says why the work was ended.
 */
export async function watchingOver<T>(
  project: string,
  engine: Engine,
  { clock, signal }: Pick<Dependencies, "clock" | "signal">,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<{ readonly value: T; readonly live: LiveFacts | undefined }> {
  const over = new AbortController();
  const ended = new AbortController();
  const first = await lookAtLive(engine, project);
  const times = await AnswerTimes.start(first.ports, signal);
  let [probes, lost, bad] = [0, 0, 0];
  const look = async () => {
    const now = await lookAtLive(engine, project);
    probes += 1;
    const trouble = troubleOf(first, now, await times.sample());
    bad = trouble === undefined ? 0 : bad + 1;
    if (trouble !== undefined) lost += 1;
    const isOver = now.changing || bad >= mostBadLooks;
    if (isOver) over.abort(liveTrouble(now, trouble));
    if (probes % diskEveryLooks === 0) await requireFree(engine, over);
  };
  const watch = (async () => {
    while (!ended.signal.aborted && !over.signal.aborted) {
      // The engine may be slow for a moment: that is no answer about the stack.
      await look().catch(() => undefined);
      await clock.sleep(everyMs, ended.signal).catch(() => undefined);
    }
  })();
  try {
    const watched = AbortSignal.any([signal, over.signal]);
    const value = await orReason(watched, () => work(watched));
    const live = { probes, lost, ...times.summary() };
    return { value, live: first.wellNames.length === 0 ? undefined : live };
  } finally {
    ended.abort();
    await watch;
  }
}

function liveTrouble({ changing }: LiveLook, trouble: string | undefined): UnverifiableError {
  const why = changing ? "an upgrade or a restore of the live stack began" : trouble;
  return new UnverifiableError(`${why}: the rehearsal was ended for its sake`, {
    class: "live-first",
    hint: "Rehearse again when the live stack is at rest.",
  });
}

async function requireFree(engine: Engine, over: AbortController): Promise<void> {
  const free = await tooLittleFree(engine);
  if (free === undefined) return;
  over.abort(
    new UnverifiableError(`only ${formatBytes(free)} are left on the disk of the Docker engine`, {
      class: "disk",
      hint: "Make room on that disk: the rehearsal was ended so that the live stack keeps some.",
    }),
  );
}
