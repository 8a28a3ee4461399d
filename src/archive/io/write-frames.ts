import type { FileHandle } from "node:fs/promises";
import { sealPayload } from "../age/payload.ts";
import { type WrittenBytes, writeHashed } from "./write-hashed.ts";
import { type AgeStart, writeThreaded } from "./write-thread.ts";

/** What is smaller is written before the threads have started. */
const THREADS_FROM_BYTES = 8 * 1024 * 1024;

/**
 * Encrypts, hashes and writes the frames of an archive: a large one in threads of its own, see {@link writeThreaded}.
 *
 * @param frames - whose memory belongs to the reader
 * @throws the file system's error, with its code.
 */
export async function writeFrames(
  handle: FileHandle,
  frames: AsyncGenerator<Buffer>,
  age: AgeStart | undefined,
): Promise<WrittenBytes> {
  const first: Buffer[] = [];
  try {
    for (let bytes = 0; bytes < THREADS_FROM_BYTES; ) {
      const next = await frames.next();
      if (next.done) return await writeHashed(handle, sealed(first, age));
      first.push(next.value);
      bytes += next.value.length;
    }
    return await writeThreaded(handle, joined(first, frames), age);
  } finally {
    await frames.return(undefined);
  }
}

async function* sealed(
  frames: readonly Buffer[],
  age: AgeStart | undefined,
): AsyncGenerator<Buffer> {
  if (age === undefined) return yield* frames;
  yield age.head;
  yield* sealPayload(each(frames), age.key);
}

async function* joined(first: Buffer[], rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  // Each frame's memory goes with it.
  yield* first.splice(0);
  yield* rest;
}

async function* each(frames: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* frames;
}
