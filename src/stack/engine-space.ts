import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { freeBytes } from "../core/free-space.ts";
import type { Engine } from "./engine.ts";

/** The free bytes where the engine keeps its volumes; undefined if this host does not show that place. */
export async function freeForVolumes(engine: Pick<Engine, "docker">): Promise<number | undefined> {
  const { DockerRootDir: root } = (await engine.docker.info()) as { DockerRootDir?: string };
  if (root === undefined) return undefined;
  // Only root may enter the directory; the file system is that of its parent, unless it is a mount.
  for (const path of [root, dirname(root)]) {
    const free = await freeBytes(path).catch(() => undefined);
    if (free !== undefined) return free;
  }
  return undefined;
}

const leastFreeBytes = 5 * 2 ** 30;
const leastFreeShare = 0.1;

/**
 * The free bytes on the disk of the engine, if they are fewer than the live stack should have to spare: 10 % of the disk,
 * at least 5 GiB, at most 50 GiB. Undefined if there is enough, or if this host does not show it.
 */
export async function tooLittleFree(engine: Pick<Engine, "docker">): Promise<number | undefined> {
  const free = await freeForVolumes(engine);
  if (free === undefined) return undefined;
  const { DockerRootDir: root = "/" } = (await engine.docker.info()) as { DockerRootDir?: string };
  const size = await statfs(root).then(
    ({ blocks, bsize }) => blocks * bsize,
    () => 0,
  );
  const least = Math.max(leastFreeBytes, Math.min(leastFreeShare * size, 10 * leastFreeBytes));
  return free >= least ? undefined : free;
}
