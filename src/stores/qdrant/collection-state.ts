import { systemClock } from "../../core/clock.ts";
import { waitFor } from "../../core/wait.ts";
import { type QdrantClient, QdrantError } from "./client.ts";

const answerTimeoutMs = 10 * 60 * 1000;

/**
 * Waits until a collection can be counted. A shard that is being recovered answers with an error for a moment; a
 * collection that is still indexed (yellow) serves everything.
 *
 * @throws Error when the collection is broken (red) or does not answer in ten minutes.
 */
export async function awaitCollection(
  client: QdrantClient,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  let last: unknown;
  const look = async () => {
    try {
      const { status } = await client.collection(name);
      if (status === "red") return "red";
      await client.count(name);
      return status;
    } catch (error) {
      if (!(error instanceof QdrantError) || error.status < 500) throw error;
      last = error;
      return undefined;
    }
  };
  const status = await waitFor(look, { clock: systemClock, timeoutMs: answerTimeoutMs, signal });
  if (status === "red") throw new Error(`qdrant: ${name} is broken: its status is red`);
  if (status === undefined) {
    throw new Error(`qdrant: ${name} did not answer within 10 minutes`, { cause: last });
  }
}

/**
 * Runs work on a collection.
 *
 * @returns undefined if the work failed because the collection was deleted meanwhile.
 */
export async function unlessDeleted<T>(
  client: QdrantClient,
  collection: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if ((await client.collections().catch(() => [collection])).includes(collection)) throw error;
    return undefined;
  }
}
