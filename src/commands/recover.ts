import type { Result } from "../model/result.ts";
import type { Options } from "../options.ts";
import type { Dependencies } from "./command.ts";
import type { Host } from "./host.ts";
import { recoverJournal } from "./restore-point/journal.ts";
import { withSession } from "./session.ts";
import { discoverWhole } from "./torn.ts";

/** Finishes or undoes what an earlier run left unfinished; with nothing to do the result is `unchanged`. */
export async function recover(
  options: Options,
  dependencies: Dependencies & { readonly host: Host },
): Promise<Result> {
  const begun = dependencies.clock.monotonicMs();
  const { stack, recovered: first } = await discoverWhole(options, dependencies);
  // Taking the lock recovers: there is nothing more to do.
  return await withSession(stack, recoverJournal, options, dependencies, async (session) => {
    const recovered = [...first, ...session.recovered];
    return {
      result: recovered.length > 0 ? "recovered" : "unchanged",
      seconds: (dependencies.clock.monotonicMs() - begun) / 1000,
      recovered,
    };
  });
}
