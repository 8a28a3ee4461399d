import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { run, spawnStream } from "../core/exec.ts";

/** What was written to the pipe. */
export interface Piped {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Writes a tar of some files of a directory into a named pipe, so that a reader that needs a path gets it without a
 * second copy on disk.
 *
 * @throws ExecError if tar fails. The reader then sees an early end, so its result must not be used.
 */
export async function tarIntoPipe(
  pipe: string,
  directory: string,
  files: readonly string[],
  signal: AbortSignal,
): Promise<Piped> {
  const options = ["--create", "--file=-", "--format=pax", "--owner=0", "--group=0"];
  // Outside the encrypted files, the archive must not reveal anything about this host.
  const args = [
    ...options,
    "--numeric-owner",
    "--mode=0600",
    "--pax-option=delete=atime,delete=ctime",
  ];
  const tar = spawnStream("tar", [...args, `--directory=${directory}`, "--", ...files], { signal });
  // It may be cancelled while the pipe is being opened; it is awaited below.
  tar.done.catch(() => undefined);
  const hash = createHash("sha256");
  let bytes = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  // Opening the pipe waits for the reader.
  const handle = await open(pipe, constants.O_WRONLY);
  const written = pipeline(tar.stdout, counted, handle.createWriteStream(), { signal });
  const [, sent] = await Promise.allSettled([tar.done, written]);
  await tar.done;
  if (sent.status === "rejected") throw sent.reason;
  return { bytes, sha256: hash.digest("hex") };
}

/** Creates a named pipe that only this user can open. */
export async function makePipe(path: string): Promise<void> {
  await run("mkfifo", ["--mode=0600", path]);
}

/** Releases a writer that waits for a reader that will not come. */
export async function releaseWriter(path: string): Promise<void> {
  const reader = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  await reader.close();
}
