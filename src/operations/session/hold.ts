import { describeError } from "../../core/errors.ts";
import { holdBackup } from "../../repository/holds.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Dependencies } from "./command.ts";

/**
 * Keeps retention from removing a backup while it is read without the lock. A repository that this user cannot write is
 * only a warning: the backup is read all the same.
 */
export async function hold(
  found: { readonly id: string; readonly repository: Repository | undefined },
  operationId: string,
  { reporter }: Pick<Dependencies, "reporter">,
): Promise<AsyncDisposable> {
  const nothing = { [Symbol.asyncDispose]: async () => undefined };
  if (found.repository === undefined) return nothing;
  try {
    return await holdBackup(found.repository, found.id, operationId);
  } catch (error) {
    reporter.info(`${found.id} is not protected from prune meanwhile: ${describeError(error)}`);
    return nothing;
  }
}
