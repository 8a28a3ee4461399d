import type { Engine } from "./engine.ts";
import { orMissing } from "./inspect.ts";

const headerBytes = 8;
const tailLines = 20_000;

/**
 * The last lines of a container's log, both streams in order; undefined if the container is gone.
 *
 * @param sinceSeconds - only lines from this time on, in seconds since 1970
 * @param timestamps - begin each line with the time at which the engine read it
 */
export async function readLog(
  engine: Pick<Engine, "docker">,
  container: string,
  sinceSeconds = 0,
  timestamps = false,
): Promise<string | undefined> {
  const found = engine.docker.getContainer(container);
  const info = await orMissing(found.inspect());
  if (info === undefined) return undefined;
  const log = await orMissing(
    found.logs({
      ...{ stdout: true, stderr: true, follow: false, tail: tailLines, timestamps },
      since: sinceSeconds,
    }),
  );
  if (log === undefined) return undefined;
  const bytes = log as unknown as Buffer;
  return info.Config.Tty ? bytes.toString("utf8") : demultiplex(bytes).toString("utf8");
}

/**
 * Whether the log of a container is readable, and whether it is empty. Since Engine 20.10, remote log drivers keep a
 * local cache, unless it is disabled.
 *
 * @param within - only lines between these two times, in seconds since 1970
 */
export async function logKind(
  engine: Pick<Engine, "docker">,
  container: string,
  within: { readonly since?: number; readonly until?: number } = {},
): Promise<"unreadable" | "empty" | "text"> {
  const found = engine.docker.getContainer(container);
  const options = { stdout: true, stderr: true, follow: false, tail: 1, ...within } as const;
  try {
    const log = await orMissing(found.logs(options));
    return log === undefined || (log as unknown as Buffer).length === 0 ? "empty" : "text";
  } catch (error) {
    // 501, and 500 from older engines: "configured logging driver does not support reading".
    if (error instanceof Error && /does not support reading/i.test(error.message)) {
      return "unreadable";
    }
    throw error;
  }
}

/** Each piece has a header: the stream, three zero bytes, four bytes of length (Engine API, "attach"). */
function demultiplex(bytes: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    pieces.push(bytes.subarray(at + headerBytes, at + headerBytes + length));
    at += headerBytes + length;
  }
  return Buffer.concat(pieces);
}
