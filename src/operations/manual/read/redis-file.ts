import { createReadStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { describeError } from "../../../core/errors.ts";
import { ExecError, run } from "../../../core/exec.ts";
import { clearDirectory } from "../../../core/temp.ts";
import type { Check } from "../../../model/result.ts";
import { failedCheck } from "../../../stores/check-result.ts";
import { ENGINE_EXIT_CODES } from "../../../stores/postgres/check.ts";
import { parseRdbReport } from "../../../stores/redis/rdb-report.ts";
import type { Counts } from "../../../stores/store.ts";
import type { HandMadeFile } from "../find-files.ts";
import {
  type ExamineContext,
  type Examined,
  type RedisContent,
  unknownOfAll,
} from "./read-result.ts";
import { loadedCounts } from "./redis-load.ts";
import { type ArchivePlace, extract, type Member, refuseEscapes, scanArchive } from "./tar.ts";

/** The path of the unpacked volume in a temporary container of the image. */
const INSIDE = "/restored";

/**
 * Reads an archive of a Redis volume to its end, checks the files that a server would load with the tools of the stack's
 * image, and lets such a server load them. A restore must have the same content.
 *
 * @throws the reason of the signal. Damage is a failed check.
 */
export async function examineRedis(file: HandMadeFile, context: ExamineContext): Promise<Examined> {
  const { signal } = context;
  const place: ArchivePlace = { file: file.path, compressed: "gzip", signal };
  const nothing = { file, unknown: unknownOfAll, counts: {} };
  const archive = { name: "tar", component: file.name };
  let redis: FoundContent;
  let read: Check;
  let contentBytes: number;
  try {
    const { members, summary } = await scanArchive(place);
    refuseEscapes(members);
    read = { ...archive, status: "pass", detail: `${summary.files} files, read to the last byte` };
    redis = contentOf(members);
    contentBytes = summary.contentBytes;
  } catch (error) {
    signal.throwIfAborted();
    return { ...nothing, checks: [failedCheck(archive, error)] };
  }
  const unknown = [
    ...unknownOfAll,
    "the last writes: the volume was archived while the server may have been writing to it",
  ];
  const problem = problemOf(redis);
  if (problem !== undefined) {
    const check: Check = { name: "redis", component: file.name, status: "fail", detail: problem };
    return { ...nothing, checks: [read, check] };
  }
  await using directory = await clearDirectory("sophon-keeper-hand-made-", {
    bytes: contentBytes,
    forEngine: true,
  });
  const { checks, counts } = await checkFiles(
    file,
    place,
    redis,
    join(directory.path, "volume"),
    context,
  );
  const { appendOnly, rdb } = redis;
  return { file, unknown, counts, redis: { appendOnly, rdb }, checks: [read, ...checks] };
}

interface FoundContent extends RedisContent {
  /** A part of an append-only file with several parts (version 7 and later). */
  readonly part: string | undefined;
}

/** Without the manifest a server silently ignores the parts and starts empty. */
function problemOf({ appendOnly, rdb, part }: FoundContent): string | undefined {
  if (appendOnly === undefined && part !== undefined) {
    return `the manifest of the append-only file is not in it: no server would load ${part}`;
  }
  return appendOnly === undefined && rdb === undefined
    ? "it holds neither an append-only file nor a dump.rdb: there is nothing to load"
    : undefined;
}

function contentOf(members: readonly Member[]): FoundContent {
  const names = members.filter(({ type }) => type === "0" || type === "\0").map(({ name }) => name);
  const manifest = names.find((name) => /(^|\/)[^/]+\.aof\.manifest$/.test(name));
  // Versions before 7 have a single file. Later versions keep the parts in a directory.
  const single = names.find((name) => /^[^/]+\.aof$/.test(name));
  const rdb =
    names.find((name) => name === "dump.rdb") ?? names.find((n) => /^(?!temp-)[^/]+\.rdb$/.test(n));
  const part = names.find((name) => /\/[^/]+\.aof\.\d+\.(base|incr)\./.test(name));
  return { appendOnly: manifest ?? single, rdb, part };
}

async function checkFiles(
  file: HandMadeFile,
  place: ArchivePlace,
  redis: RedisContent,
  directory: string,
  context: ExamineContext,
): Promise<{ readonly checks: readonly Check[]; readonly counts: Counts }> {
  const checks: Check[] = [];
  const subject = { name: "redis", component: file.name };
  try {
    const image = await context.imageOf("redis");
    await mkdir(directory);
    await extract(place, directory);
    // The server in the container may be another user. The parent directory is closed to other users of this host.
    await run("chmod", ["-R", "a+rwX", directory]);
    if (redis.rdb !== undefined) {
      checks.push(await checkRdb(file, join(directory, redis.rdb), image, context));
    }
    if (redis.appendOnly !== undefined) {
      checks.push(await checkAppendOnly(file, redis.appendOnly, directory, image, context));
    }
    if (checks.some(({ status }) => status !== "pass")) return { checks, counts: {} };
    const counts = await loadedCounts({ directory, inside: INSIDE, image, redis }, context);
    checks.push({ ...subject, status: "pass", detail: `a server loads ${counts.keys} keys of it` });
    return { checks, counts };
  } catch (error) {
    context.signal.throwIfAborted();
    return { checks: [...checks, failure(subject, error)], counts: {} };
  }
}

async function checkRdb(
  file: HandMadeFile,
  path: string,
  image: string,
  { containers, signal }: ExamineContext,
): Promise<Check> {
  const subject = { name: "redis-check-rdb", component: file.name };
  const checker = containers.runOnce(image, ["redis-check-rdb", "/dev/stdin"], {
    pipeInput: true,
    signal,
  });
  const said = textOf(checker.stdout);
  // A checker that has found an error closes its input and reports the reason itself.
  const fed = pipeline(createReadStream(path), checker.stdin).catch(() => undefined);
  try {
    await checker.done;
    const { keys } = parseRdbReport(await said);
    return { ...subject, status: "pass", detail: `${keys} keys` };
  } catch (error) {
    return failure(subject, error, await said);
  } finally {
    await fed;
  }
}

async function checkAppendOnly(
  file: HandMadeFile,
  path: string,
  directory: string,
  image: string,
  { containers, signal }: ExamineContext,
): Promise<Check> {
  const subject = { name: "redis-check-aof", component: file.name };
  // It opens the file for writing although it only reads.
  const mounts = [{ source: directory, target: INSIDE, readOnly: false }];
  const argv = ["redis-check-aof", `${INSIDE}/${path}`];
  const checker = containers.runOnce(image, argv, { mounts, signal });
  const said = textOf(checker.stdout);
  try {
    await checker.done;
    return { ...subject, status: "pass", detail: `${path} and its parts are whole` };
  } catch (error) {
    return failure(subject, error, await said);
  }
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk.toString("utf8");
  return text;
}

/** A format that is too new for this image, or a missing module, is no damage. */
function failure(subject: Pick<Check, "name" | "component">, error: unknown, said = ""): Check {
  const words = `${describeError(error)}\n${said}`;
  const cannotRun = error instanceof ExecError && ENGINE_EXIT_CODES.includes(error.exitCode ?? 0);
  const foreign =
    /can't handle RDB format version|RDB version|Permission denied|Read-only|unknown module|not load module/i.test(
      words,
    );
  if (cannotRun || foreign) return { ...subject, status: "unverifiable", detail: words.trim() };
  const last = said.trim().split("\n").slice(-3).join("; ");
  const told = failedCheck(subject, error);
  return last === "" ? told : { ...told, detail: last };
}
