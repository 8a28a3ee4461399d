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
