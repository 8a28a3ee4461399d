import type { Writable } from "node:stream";
import { DamagedError, UnverifiableError } from "../../core/errors.ts";
import { ExecError, isOfTheHost, spawnStream } from "../../core/exec.ts";
import { BlockPool } from "../io/block-pool.ts";
import { release } from "../io/byte-reader.ts";
import { type Intake, openIntake } from "../io/socket-reader.ts";
import { type ReadRequest, readArchive } from "../read-archive.ts";
import type { ByteSource } from "../write-archive.ts";
import { deepArguments, deepDirectories, isDeep, placeDeep } from "./deep-paths.ts";
import {
  listInput,
  type PackRequest,
  packArguments,
  parseTarMessages,
  TAR_ENVIRONMENT,
  type TarWarnings,
  unpackArguments,
} from "./gnu-tar.ts";
import { TAR_BLOCK_BYTES } from "./header.ts";
import { refuseRights } from "./rights.ts";
import { type MemberListener, TarScanner, type TarSummary, type WantedMember } from "./scanner.ts";

/** What a finished tar is known to hold. */
interface PackedContent {
  readonly warnings: TarWarnings;
  readonly summary: TarSummary;
}

/** A tar being made: `source` and `done` fit `writeArchive`. */
interface PackedTar {
  readonly source: ByteSource;
  /** Rejects with {@link ExecError} when tar failed. Settles only when `source` is read. */
  readonly done: Promise<PackedContent>;
}

/**
 * Packs a directory with GNU tar, the one reader that keeps xattrs, ACLs, holes and nanoseconds,
 * and reads the headers of what it makes in passing.
 *
 * Exit 1 (a file changed while it was read) is no failure here but a warning with the path: whether
 * it matters depends on whose file it is.
 */
export function packTar(
  request: PackRequest & {
    /** Members whose hash or content is wanted. One of more than 1 GiB that has holes is not found. */
    readonly wanted?: readonly WantedMember[];
    readonly listener?: MemberListener;
    readonly signal?: AbortSignal | undefined;
  },
): PackedTar {
  const pool = new BlockPool();
  const scanner = new TarScanner({ ...request, isOwn: true });
  const started = startTar(request, pool);
  const scanned = Promise.withResolvers<void>();
  const done = started.then(async ({ ended }) => {
    const warnings = await ended;
    // Tar has ended before its last blocks are looked at.
    await scanned.promise;
    return { warnings, summary: scanner.summary() };
  });
  for (const promise of [done, scanned.promise]) promise.catch(() => undefined);
  return { source: scannedSource({ started, scanner, pool, scanned }), done };
}

/** A tar that writes into blocks. */
interface StartedTar {
  readonly intake: Intake;
  readonly ended: Promise<TarWarnings>;
}

async function startTar(
  request: PackRequest & { readonly signal?: AbortSignal | undefined },
  pool: BlockPool,
): Promise<StartedTar> {
  const lines = new LineCollector();
  const { intake, outlet } = await openIntake(pool);
  const { list } = request;
  const child = spawnStream("tar", packArguments(request), {
    addEnv: TAR_ENVIRONMENT,
    // A path of the list that is gone is an error for tar. Its complaints tell whether it was another one.
    okCodes: list === undefined ? [0, 1] : [0, 1, 2],
    pipeInput: list !== undefined,
    signal: request.signal,
    onStderr: (text) => lines.add(text),
    stdout: outlet,
  });
  if (list !== undefined) child.stdin.end(listInput(list));
  // Tar has its own by now; the end is only seen when nobody else holds one.
  outlet.destroy();
  const ended = judged(child.done, lines, request);
  ended.catch(() => undefined);
  return { intake, ended };
}

/**
 * Tar's output without the padding behind its end: tar stops reading there, and whoever still wrote padding into its pipe
 * would end of that.
 */
function scannedSource(job: {
  readonly started: Promise<StartedTar>;
  readonly scanner: TarScanner;
  readonly pool: BlockPool;
  readonly scanned: PromiseWithResolvers<void>;
}): ByteSource {
  const { started, scanner, pool, scanned } = job;
  return {
    async *[Symbol.asyncIterator]() {
      const { intake } = await started;
      let passed = 0;
      for await (const block of intake.blocks()) {
        scanner.update(block);
        const end = scanner.endOffset;
        const left = end === undefined ? block.length : end - passed;
        const part = block.subarray(0, Math.max(left, 0));
        passed += part.length;
        if (part.length > 0) yield part;
        else pool.give(block);
      }
      scanned.resolve();
    },
    destroy() {
      scanned.reject(new Error("the archive was not read to its end"));
      started.then(
        ({ intake }) => intake.destroy(),
        () => undefined,
      );
    },
    pool,
  };
}

/**
 * Unpacks an archive into an existing empty directory: owners, modes, times, links, holes, xattrs
 * and ACLs as they were packed. With `members`, only those (paths without `./`).
 *
 * On any failure what has been unpacked is still there and must be thrown away: a damaged archive
 * is only known for one at its damage.
 *
 * The source is read to its last byte, so that a success says that the whole archive is good.
 *
 * @throws as `readArchive` does; DamagedError or UnverifiableError when tar fails, {@link ExecError} when the host failed it.
 */
export async function unpackTar(
  request: ReadRequest & {
    readonly into: string;
    readonly members?: readonly string[];
    /** False for a look at what only root could give back as it was: all belongs to this user. */
    readonly owners?: boolean;
    /** Added to the environment of tar, so that one that outlives its owner can be found. */
    readonly mark?: Readonly<Record<string, string>>;
  },
): Promise<void> {
  const deep: string[] = [];
  const listener: MemberListener = (member) => {
    if (request.untrusted === true) refuseRights(member);
    if (isDeep(member.name)) deep.push(member.name);
  };
  const observers = [...(request.observers ?? []), new TarScanner({ listener })];
  const { into, members, owners } = request;
  const ended = await unpackWith(unpackArguments(into, members, owners), {
    ...request,
    observers,
  });
  if (ended === "done") return;
  const directories = members === undefined ? deepDirectories(deep) : [];
  if (directories.length === 0) throw ended;
  const args = [...unpackArguments(into, [], owners), ...deepArguments(directories)];
  const again = await unpackWith(args, { ...request, observers: [] });
  if (again !== "done") throw again;
  await placeDeep(into, directories);
}

/**
 * Unpacks single records of an archive into an existing directory, exactly as they were packed.
 *
 * On any failure what has been unpacked is still there and must be thrown away.
 *
 * @param records - whole members with their headers, without the end of the archive
 * @throws the error of `records`, and as {@link unpackTar} when tar fails.
 */
export async function unpackRecords(
  records: AsyncIterable<Buffer>,
  options: {
    readonly into: string;
    readonly untrusted?: boolean | undefined;
    /** Added to the environment of tar, so that one that outlives its owner can be found. */
    readonly mark?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const scanner = new TarScanner(options.untrusted === true ? { listener: refuseRights } : {});
  const tar = startUnpacking(unpackArguments(options.into), options);
  try {
    for await (const chunk of records) {
      scanner.update(chunk);
      if (tar.stdin.destroyed) await tar.done;
      else if (!tar.stdin.write(chunk)) await drained(tar.stdin);
    }
    tar.stdin.end(Buffer.alloc(2 * TAR_BLOCK_BYTES));
    await tar.done;
  } catch (error) {
    tar.kill(0);
    await tar.done.catch(() => undefined);
    throw explained(error);
  }
}

/** @returns the error if tar failed at nothing but paths that are longer than the kernel takes; it throws any other. */
async function unpackWith(
  args: readonly string[],
  request: ReadRequest & { readonly mark?: Readonly<Record<string, string>> },
): Promise<"done" | ExecError> {
  const tar = startUnpacking(args, request);
  const { lines } = tar;
  try {
    await feed(readArchive(request), tar.stdin, tar.done);
    await tar.done;
    return "done";
  } catch (error) {
    tar.kill(0);
    await tar.done.catch(() => undefined);
    const { unknown } = parseTarMessages(lines.all());
    const isOfDepth = unknown.length > 0 && unknown.every((line) => line.endsWith(tooLong));
    if (isOfDepth && error instanceof ExecError && error.exitCode === 2) return error;
    throw explained(error);
  }
}

/** What tar says of an archive that cannot be what this program packed, whatever the host. */
const isOfArchive =
  /Member name contains '\.\.'|Cannot (?:hard|sym)?link to |: Not a directory$|Cannot continue file|Unexpected EOF in archive|Malformed|does not look like a tar archive|Skipping to next header|Unknown file type/i;

/** A failure of tar in which the host had no part is one of the archive, and no bug. */
function explained(error: unknown): unknown {
  if (!(error instanceof ExecError) || isOfTheHost(error)) return error;
  const complaints = error.stderr.trim().split("\n");
  const told = complaints.find((line) => isOfArchive.test(line));
  const evidence = complaints.join("\n");
  if (told !== undefined) {
    const message = `the archive cannot be unpacked: ${told.replace(/^tar: /, "")}`;
    return new DamagedError(message, { class: "archive", evidence, cause: error });
  }
  const message = `tar cannot unpack the archive here: ${(complaints[0] ?? "").replace(/^tar: /, "")}`;
  return new UnverifiableError(message, { class: "unpack", evidence, cause: error });
}

function startUnpacking(
  args: readonly string[],
  options: {
    readonly mark?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal | undefined;
  },
) {
  const lines = new LineCollector();
  const child = spawnStream("tar", args, {
    addEnv: { ...TAR_ENVIRONMENT, ...options.mark },
    pipeInput: true,
    signal: options.signal,
    onStderr: (text) => lines.add(text),
  });
  const done = judged(child.done, lines);
  done.catch(() => undefined);
  child.stdout.resume();
  return { stdin: child.stdin, kill: (code: 0) => child.kill(code), done, lines };
}

const tooLong = ": File name too long";

/** Writes all of a source; what tar does not want any more is still read, and so still checked. */
async function feed(
  source: AsyncIterable<Buffer>,
  stdin: Writable,
  done: Promise<unknown>,
): Promise<void> {
  for await (const chunk of source) {
    if (stdin.destroyed) await done;
    else if (!stdin.write(chunk, () => release(chunk))) await drained(stdin);
  }
  stdin.end();
}

function drained(stdin: Writable): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      stdin.off("drain", settle).off("close", settle);
      resolve();
    };
    stdin.on("drain", settle).on("close", settle);
  });
}

async function judged(
  done: Promise<{ exitCode: number; stderr: string }>,
  lines: LineCollector,
  packing: Pick<PackRequest, "list" | "overlay"> = {},
): Promise<TarWarnings> {
  const { exitCode, stderr } = await done.catch((error: unknown) => {
    throw plainly(error, lines);
  });
  const { warnings, unknown } = parseTarMessages(lines.all(), packing);
  // Exit 0 says that whatever else it mentioned (a time in the future) was harmless.
  if (exitCode === 0) return warnings;
  const isKnown = unknown.length === 0 && (exitCode === 1 || warnings.vanished.length > 0);
  if (isKnown) return warnings;
  throw tarError({ exitCode, signal: null, timedOut: false }, unknown, stderr);
}

/** Without twenty options, and without what tar always says of a socket: how it ended, and its complaints. */
function plainly(error: unknown, lines: LineCollector): unknown {
  const ended = error instanceof ExecError && (error.exitCode !== null || error.signal !== null);
  if (!ended) return error;
  return tarError(error, parseTarMessages(lines.all()).unknown, "");
}

function tarError(
  { exitCode, signal, timedOut }: Pick<ExecError, "exitCode" | "signal" | "timedOut">,
  complaints: readonly string[],
  otherwise: string,
): ExecError {
  const stderr = complaints.slice(-6).join("\n") || otherwise;
  return new ExecError({ command: "tar", exitCode, signal, timedOut, stderr, stdout: "" });
}

/** Whole lines out of pieces of text. */
class LineCollector {
  readonly #lines: string[] = [];
  #rest = "";

  add(text: string): void {
    const parts = (this.#rest + text).split("\n");
    this.#rest = parts.pop() ?? "";
    this.#lines.push(...parts);
  }

  all(): string[] {
    return this.#rest === "" ? this.#lines : [...this.#lines, this.#rest];
  }
}
