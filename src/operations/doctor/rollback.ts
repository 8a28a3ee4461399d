import { RefusedError } from "../../core/errors.ts";
import { temporaryDirectory } from "../../core/temp.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { Repository } from "../../repository/repository.ts";
import { requireRunning } from "../../stack/discovery.ts";
import { backupNeed } from "../backup/disk-space.ts";
import { requireAccess } from "../backup/require-access.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { copiesOf, copyNeeds } from "../upgrade/disk-space.ts";
import { refuseLostVolumes } from "../upgrade/lost-volumes.ts";
import { preflight } from "../upgrade/preflight.ts";
import type { LookingSession } from "../upgrade/session.ts";
import { type Finding, judgeRoom } from "./findings.ts";

/** The stack as the checks of a backup and of an upgrade look at it, without a lock and a journal. */
export async function lookingSession(
  stack: Stack,
  repository: Repository,
  options: Options,
  dependencies: HostDependencies,
): Promise<LookingSession> {
  const { host } = dependencies;
  const workbench = await host.workbench("doctor", dependencies);
  return { ...workbench, id: "doctor", stack, options, repository, host, dependencies };
}

/** Whether a backup can log in to every server. */
export async function judgeAccess(session: LookingSession): Promise<Finding[]> {
  const name = "access";
  try {
    await requireAccess(session);
    return [{ status: "pass", name, detail: "every store can be read" }];
  } catch (error) {
    return [{ status: "fail", name, detail: refusal(error) }];
  }
}

/**
 * Whether an upgrade of this stack would be refused, and why, by the checks of the upgrade itself: it refuses what it could not
 * roll back. No failure: backups work all the same.
 */
export async function judgeRollback(session: LookingSession): Promise<Finding[]> {
  const name = "rollback";
  const { stack } = session;
  const current = Object.fromEntries(
    stack.containers.map(({ service, imageId }) => [service, imageId]),
  );
  await using work = await temporaryDirectory("sophon-keeper-doctor-");
  const checks = [
    async () => requireRunning(stack),
    async () => void (await preflight(session, work.path)),
    // The newest version declares what the current one does, as far as anybody knows today.
    async () => await refuseLostVolumes(session, current),
  ];
  const found: Finding[] = [];
  for (const check of checks) {
    try {
      await check();
    } catch (error) {
      const detail = `an upgrade is refused, because it could not be rolled back: ${refusal(error)}`;
      found.push({ status: "warn", name, detail });
    }
  }
  if (found.length > 0) return found;
  return [{ status: "pass", name, detail: "an upgrade of this stack can be rolled back" }];
}

/** Room for the next backup, and for the copies that an upgrade goes back to. */
export async function judgeSpace(session: LookingSession): Promise<Finding[]> {
  const { bytes, freeBytes } = await backupNeed(session);
  const { needs } = await copyNeeds(session, copiesOf(session));
  const { path } = session.repository;
  return [
    judgeRoom("a backup", { path, neededBytes: bytes, freeBytes }),
    ...needs.map(({ path, bytes, freeBytes }) =>
      judgeRoom("a rollback copy", { path, neededBytes: bytes, freeBytes }),
    ),
  ];
}

/** @throws every error but a refusal. */
function refusal(error: unknown): string {
  if (!(error instanceof RefusedError)) throw error;
  return `${error.message}${error.hint === undefined ? "" : `. ${error.hint}`}`;
}
