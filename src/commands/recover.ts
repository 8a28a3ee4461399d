import type { Result } from "../model/result.ts";
import type { Options } from "../options.ts";
import type { Dependencies } from "./command.ts";
import type { Host } from "./host.ts";
import { withLock } from "./session.ts";

/** Finishes or undoes what an earlier run left unfinished; with nothing to do the result is `unchanged`. */
export async function recover(
  options: Options,
  dependencies: Dependencies & { readonly host: Host },
): Promise<Result> {
  const begun = dependencies.clock.monotonicMs();
  // Taking the lock recovers: there is nothing more to do.
  return await withLock("recover", options, dependencies, async ({ recovered }) => ({
    result: recovered.length > 0 ? "recovered" : "unchanged",
    seconds: (dependencies.clock.monotonicMs() - begun) / 1000,
    recovered,
  }));
}
