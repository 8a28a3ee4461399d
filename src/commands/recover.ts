import type { Result } from "../model/result.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { withLock } from "../operations/session/session.ts";
import type { Options } from "../options/parse.ts";
import { requireRepository } from "../repository/require-repository.ts";

/** Finishes or undoes unfinished operations of earlier runs. If there is nothing to do, the result is `unchanged`. */
export async function recover(options: Options, dependencies: HostDependencies): Promise<Result> {
  const begun = dependencies.clock.monotonicMs();
  await requireRepository(options.repository);
  // Taking the lock already recovers; nothing else is needed.
  return await withLock("recover", options, dependencies, async ({ recovered }) => ({
    result: recovered.length > 0 ? "recovered" : "unchanged",
    seconds: (dependencies.clock.monotonicMs() - begun) / 1000,
    recovered,
  }));
}
