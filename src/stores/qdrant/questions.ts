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

/**
 * The server resolves an alias in the address of an upload: the snapshot would replace the collection behind the alias.
 *
 * @throws RefusedError that names both.
 */
export function refuseAliases(
  uploads: readonly { readonly collection: string }[],
  aliases: readonly QdrantAlias[],
): void {
  for (const { collection } of uploads) {
    const alias = aliases.find(({ alias_name }) => alias_name === collection);
    if (alias === undefined) continue;
    throw new RefusedError(
      `the snapshot is of collection ${collection}, but ${collection} is now an alias of collection ${alias.collection_name}`,
      {
        class: "qdrant-alias",
        hint: `Delete the alias ${collection} if the snapshot should become a collection of that name, or rename the snapshot to ${alias.collection_name}.snapshot to replace that collection.`,
      },
    );
  }
}

/** Also parses `1.17.1-dev`. */
function numbers(version: string): number[] {
  return version.split(".").map((part) => Number.parseInt(part, 10));
}
