import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { RefusedError } from "../../core/errors.ts";

/**
 * Refuses a backup of unknown origin with a link where another store or a mount has its place: it would lead that to any
 * path of the host.
 *
 * @param root - the unpacked tree
 * @param inner - the places inside it
 * @throws RefusedError (class `host-access`).
 */
export async function refuseLinks(root: string, inner: readonly string[]): Promise<void> {
  const all = inner.flatMap((path) => {
    const parts = path.split("/");
    return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
  });
  for (const at of new Set(all)) {
    const stats = await lstat(join(root, at)).catch(() => undefined);
    if (stats?.isSymbolicLink() !== true) continue;
    throw new RefusedError(
      `the backup is of unknown origin and holds a symbolic link where the stack mounts something else: ${at}`,
      {
        class: "host-access",
        hint: "give allow-host-access if you know where the backup comes from",
      },
    );
  }
}
