import { RefusedError } from "../../core/errors.ts";
import type { NamedTask } from "../../core/task.ts";
import { type QdrantAlias, QdrantClient, QdrantError, type QdrantParams } from "./client.ts";

/** The aliases of the server. */
export const aliasesOfQdrant: NamedTask<QdrantParams, readonly QdrantAlias[]> = {
  name: "qdrant.aliases",
  run: async ({ endpoint }, { signal }) => await new QdrantClient(endpoint, signal).aliases(),
};

/** The error status with which the server refuses this client; null if it does not. */
export const refusalOfQdrant: NamedTask<QdrantParams, number | null> = {
  name: "qdrant.refusal",
  run: async ({ endpoint }, { signal }) => {
    try {
      await new QdrantClient(endpoint, signal).collections();
      return null;
    } catch (error) {
      if (error instanceof QdrantError && [401, 403].includes(error.status)) return error.status;
      throw error;
    }
  },
};

/** The version of the server. */
export const versionOfQdrant: NamedTask<QdrantParams, string> = {
  name: "qdrant.version",
  run: async ({ endpoint }, { signal }) => await new QdrantClient(endpoint, signal).version(),
};

/**
 * Allows a restore only into the same minor version, and not into an older patch.
 *
 * @throws RefusedError with a hint what to do.
 */
export function refuseOtherVersion(from: string, to: string): void {
  const [fromMajor, fromMinor, fromPatch = 0] = numbers(from);
  const [toMajor, toMinor, toPatch = 0] = numbers(to);
  if (fromMajor === toMajor && fromMinor === toMinor && toPatch >= fromPatch) return;
  throw new RefusedError(`qdrant: a snapshot of ${from} does not restore into ${to}`, {
    class: "qdrant-version",
    hint: `run Qdrant ${fromMajor}.${fromMinor}, patch ${fromPatch} or newer (without keep-images a restore uses the image of the backup), and upgrade after the restore`,
  });
}

/** Also parses `1.17.1-dev`. */
function numbers(version: string): number[] {
  return version.split(".").map((part) => Number.parseInt(part, 10));
}
