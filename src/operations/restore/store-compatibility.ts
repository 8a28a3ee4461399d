import { RefusedError } from "../../core/errors.ts";
import type { Stack } from "../../model/stack.ts";
import type { Engine } from "../../stack/engine.ts";
import { serverOf } from "../../stack/scratch.ts";
import type { ServerKind } from "../../stack/server-kind.ts";
import { storeOfKind } from "../../stores/stores.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import type { Dependencies } from "../session/command.ts";
import type { Workbench } from "../session/host.ts";
import type { Makings } from "./current-stack.ts";

/** The input of the compatibility check. */
interface FitsRequest extends Workbench {
  readonly engine: Engine;
  readonly stack: Pick<Stack, "containers" | "model">;
  readonly stores: readonly BackedUpStore[];
  readonly makings: Makings;
}

/** A server that does not answer may be the reason for the restore, so the wait is short. */
const answerTimeoutMs = 20_000;

/**
 * Asks the running servers that keep their image, and refuses a backup that they could not restore. A server that is
 * down or does not answer is checked when its data is restored.
 *
 * @throws RefusedError with the solution.
 */
export async function requireFits(request: FitsRequest, dependencies: Dependencies): Promise<void> {
  const { stack, stores, makings, engine, tasks, containers } = request;
  const { reporter, clock } = dependencies;
  for (const store of stores) {
    const fits = store.handler ?? storeOfKind(store.kind);
    const container = stack.containers.find(({ service }) => service === store.service);
    const stays = container?.state === "running" && !makings.replace.includes(container.service);
    if (fits?.requireFit === undefined || container === undefined || !stays) continue;
    const signal = AbortSignal.any([dependencies.signal, AbortSignal.timeout(answerTimeoutMs)]);
    const context = { containers, tasks, reporter, clock, signal };
    const kind = store.kind as ServerKind;
    const at = await serverOf(engine, container.id, kind, stack.model).catch(() => undefined);
    if (at === undefined) continue;
    try {
      await fits.requireFit(at, store.components, context);
    } catch (error) {
      dependencies.signal.throwIfAborted();
      if (error instanceof RefusedError) throw error;
    }
  }
}
