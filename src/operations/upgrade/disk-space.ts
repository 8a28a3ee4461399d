import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { realPath } from "../../core/real-path.ts";
import { placeOf } from "../../model/stack.ts";
import { estimateCopy } from "../../rollback-copy/tasks.ts";
import { within } from "../../stack/shared.ts";
import type { UpgradePlan } from "./journal.ts";
import { copyPlace } from "./rollback-copies.ts";
import type { LookingSession } from "./session.ts";

/** What the rollback copies on one file system need, and what it has, in bytes. */
interface CopyNeed {
  /** One of the directories in which a copy is made. */
  readonly path: string;
  readonly bytes: number;
  readonly freeBytes: number;
}

/** The rollback copies that an upgrade of the stack makes. */
export function copiesOf(
  session: Pick<LookingSession, "id" | "options" | "repository" | "stack">,
): UpgradePlan["copies"] {
  return placesOf(session).map((place, at) => copyPlace(session, place, at));
}

/** Every place that the stack writes to; of nested places, links followed, only the outermost. */
function placesOf({
  stack,
}: Pick<LookingSession, "stack">): { name: string; source: string; volume?: string }[] {
  const all = stack.stores.map((store) => {
    const { volume } = store.mount;
    return {
      name: store.name,
      source: placeOf(store),
      ...(volume === undefined ? {} : { volume }),
    };
  });
  const real = all.map(({ source }) => realPath(source));
  return all.filter((_, at) => {
    const source = real[at] ?? "";
    return !real.some((other, index) => within(source, other) && (source !== other || index < at));
  });
}

/** Estimates the rollback copies: the paths in all of them, and the bytes by file system. */
export async function copyNeeds(
  { tasks, dependencies }: Pick<LookingSession, "tasks" | "dependencies">,
  copies: UpgradePlan["copies"],
): Promise<{ readonly paths: number; readonly needs: readonly CopyNeed[] }> {
  let paths = 0;
  const needs = new Map<string, CopyNeed>();
  for (const { source, copy, volume } of copies) {
    const mounts = [
      { path: source, readOnly: true, ...(volume === undefined ? {} : { volume }) },
      { path: dirname(copy), readOnly: true },
    ];
    const { signal } = dependencies;
    const { bytes, freeBytes, ...found } = await tasks.run(
      estimateCopy,
      { source, copy },
      { mounts },
      signal,
    );
    paths += found.paths;
    // Without a device number, treat equal free space as the same file system.
    const key = deviceOf(dirname(copy)) ?? String(freeBytes);
    const before = needs.get(key);
    const path = before?.path ?? dirname(copy);
    needs.set(key, { path, bytes: (before?.bytes ?? 0) + bytes, freeBytes });
  }
  return { paths, needs: [...needs.values()] };
}

/** What stays free beside the copies. */
const spareBytes = 64 * 2 ** 20;

/**
 * @returns how many paths the rollback copies will contain.
 * @throws RefusedError when a file system has too little free space for its rollback copies.
 */
export async function requireRoom(session: LookingSession, plan: UpgradePlan): Promise<number> {
  const { paths, needs } = await copyNeeds(session, plan.copies);
  for (const { bytes, freeBytes } of needs) {
    if (bytes + spareBytes < freeBytes) continue;
    const why = `the rollback copy needs about ${formatBytes(bytes)}, but only ${formatBytes(freeBytes)} are free`;
    throw new RefusedError(why, {
      class: "no-space",
      hint: "Free some space, or set rollback-directory to a directory on another disk.",
    });
  }
  return paths;
}

function deviceOf(path: string): string | undefined {
  try {
    return existsSync(path) ? String(statSync(path).dev) : undefined;
  } catch {
    return undefined;
  }
}
