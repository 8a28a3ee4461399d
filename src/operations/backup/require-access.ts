import type { Stack } from "../../model/stack.ts";
import type { StoreContext } from "../../stores/store.ts";
import { storeOf } from "../../stores/stores.ts";
import type { Dependencies } from "../session/command.ts";

/** The part of a session that the check needs. */
interface AccessRequest extends Pick<StoreContext, "containers" | "tasks"> {
  readonly stack: Pick<Stack, "stores">;
  readonly dependencies: Dependencies;
}

/**
 * Makes sure, before anything begins, that this tool can log in to every server of the stack.
 *
 * @throws RefusedError that names the service and the setting to change.
 */
export async function requireAccess(request: AccessRequest): Promise<void> {
  const { stack, containers, tasks, dependencies } = request;
  const { reporter, clock, signal } = dependencies;
  const context: StoreContext = { containers, tasks, reporter, clock, signal };
  await Promise.all(stack.stores.map((store) => storeOf(store).requireAccess?.(store, context)));
}
