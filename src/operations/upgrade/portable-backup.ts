import { UndoStack } from "../../core/undo.ts";
import type { Result } from "../../model/result.ts";
import { takeRestorePoint } from "../backup/create.ts";
import { requireSpace } from "../backup/disk-space.ts";
import type { UpgradeSession } from "./session.ts";

/**
 * The portable backup, taken while the stack serves: what is left when even the way back is lost.
 *
 * @throws BackupFailedError.
 */
export async function backUp(session: UpgradeSession): Promise<Pick<Result, "backupId" | "path">> {
  const { journal } = session;
  await requireSpace(session);
  const undo = new UndoStack();
  try {
    const point = await takeRestorePoint({
      ...session,
      undo,
      journal: { append: (_phase, step, data) => journal.append("backup", step, data) },
    });
    undo.commit();
    return { backupId: point.id, path: point.path };
  } catch (error) {
    const failed = await undo.unwind();
    // Told by the session, which then leaves the journal to `recover`.
    for (const { name, error: cause } of failed) {
      session.undo.add(name, () => {
        throw cause;
      });
    }
    throw error;
  }
}
