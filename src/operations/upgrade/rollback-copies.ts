import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatBytes } from "../../core/format.ts";
import type { TaskPlace } from "../../core/task.ts";
import { asideName } from "../../repository/failed-content.ts";
import { deltaTask, preCopyTask, putBackTask, removeCopyTask } from "../../rollback-copy/tasks.ts";
import type { UpgradePlan } from "./journal.ts";
import type { RollbackContext, UpgradeSession } from "./session.ts";

type Copy = UpgradePlan["copies"][number];
type CopyContext = Pick<RollbackContext, "tasks" | "dependencies">;

/** How the name of every rollback copy begins. */
export const rollbackCopyPrefix = ".sophon-keeper-rollback-";

/** Chooses the path of a place's rollback copy, and the path that keeps the data written by a failed version. */
export function copyPlace(
  session: Pick<UpgradeSession, "id" | "options" | "repository">,
  place: Omit<Copy, "copy" | "aside">,
  at: number,
): Copy {
  const { id, options, repository } = session;
  const beside = dirname(place.source);
  const parent = options.rollbackDirectory ?? beside;
  const failed = repository.failed(id);
  const near = sameDevice(repository.path, place.source) ? failed : join(beside, asideName(id));
  return {
    ...place,
    copy: join(parent, `${rollbackCopyPrefix}${id}-${at}`),
    aside: join(near, place.name),
  };
}

/** Copies every place for the first time, while the stack serves. */
export async function preCopyAll(context: CopyContext, plan: UpgradePlan): Promise<void> {
  for (const one of plan.copies) {
    const { source, copy, name } = one;
    const { reporter, signal } = context.dependencies;
    const done = await context.tasks.run(preCopyTask, { source, copy }, placeOf(one), signal);
    reporter.info(`${name}: ${done.paths} paths, ${formatBytes(done.copiedBytes)} copied`);
  }
}

/**
 * Finishes every copy; nothing may write meanwhile. The copies run in parallel to keep the stores frozen only briefly.
 *
 * @throws the first error, after all copies have ended.
 */
export async function deltaAll(context: CopyContext, plan: UpgradePlan): Promise<void> {
  const { reporter, signal } = context.dependencies;
  const deltaOf = async (one: Copy) => {
    const { source, copy, name } = one;
    const done = await context.tasks.run(deltaTask, { source, copy }, placeOf(one), signal);
    reporter.info(
      `${name}: ${formatBytes(done.copiedBytes)} copied again, ${done.removed} paths removed`,
    );
  };
  const ended = await Promise.allSettled(plan.copies.map(deltaOf));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
}

/** Restores every place from its copy. Cannot be cancelled: half-restored data is useless. */
export async function putBackAll(context: CopyContext, plan: UpgradePlan): Promise<void> {
  for (const one of plan.copies) {
    const { source, copy, aside, name } = one;
    const done = await context.tasks.run(putBackTask, { source, copy, aside }, placeOf(one));
    const { reporter } = context.dependencies;
    reporter.info(`${name}: ${done.copied} paths restored, ${done.removed} removed`);
    if (done.dropped.length > 0) {
      reporter.warning(`${name}: not enough space to keep ${done.dropped.join(", ")}`);
    }
  }
}

/** Deletes every rollback copy. */
export async function removeCopies(context: CopyContext, plan: UpgradePlan): Promise<void> {
  for (const one of plan.copies) {
    const mounts = [{ path: dirname(one.copy), readOnly: false }];
    await context.tasks.run(removeCopyTask, { copy: one.copy }, { mounts });
  }
}

function placeOf({ source, copy, aside, volume }: Copy): TaskPlace {
  // A single file may be gone when it is put back: the engine can only mount its directory.
  const own = volume !== undefined || isDirectory(source) ? source : dirname(source);
  const parents = new Set([dirname(copy), standing(dirname(aside))].filter((path) => path !== own));
  return {
    mounts: [
      { path: own, readOnly: false, ...(volume === undefined ? {} : { volume }) },
      ...[...parents].map((path) => ({ path, readOnly: false })),
    ],
  };
}

/** The nearest directory that exists: the engine can only mount an existing path. */
export function standing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : standing(dirname(path));
}

/** A path that this user cannot see counts as a directory. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}

function sameDevice(a: string, b: string): boolean {
  try {
    return statSync(a).dev === statSync(b).dev;
  } catch {
    return false;
  }
}
