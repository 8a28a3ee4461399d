import { ExecError, run, spawnStream } from "../core/exec.ts";
import { endOrphans as endMarked } from "../core/orphans.ts";
import { isGone } from "./tree.ts";

/** A file system is full. The source of the copy is unchanged. */
export class NoSpaceError extends Error {
  constructor(path: string, options?: ErrorOptions) {
    super(`no space left on the file system of ${path}`, options);
    this.name = "NoSpaceError";
  }
}

/** The context of every program for one rollback copy. */
export interface ProgramContext {
  /** The directory of the rollback copy: marks the programs, so that a later run can end the ones left behind. */
  readonly copy: string;
  readonly signal?: AbortSignal | undefined;
}

const marker = "SOPHON_KEEPER_COPY";
const fatalMessages =
  /No space left|quota exceeded|Input\/output error|Read-only file system|Permission denied|Operation not (permitted|supported)/i;

/** Arguments that make GNU cp copy `paths` below the working directory to the same places below `to`, exactly. */
export function cpArgs(paths: readonly string[], to: string): string[] {
  // --preserve=xattr beside --archive: attributes that cannot be copied are an error, not a silence.
  return [
    ...["--archive", "--preserve=xattr", "--no-dereference", "--reflink=auto", "--sparse=auto"],
    ...["--parents", "--", ...paths, to],
  ];
}

/** The same for the attributes of `paths` only: content that is there stays, what is not there is made empty. */
export function cpAttributesArgs(paths: readonly string[], to: string): string[] {
  return ["--attributes-only", ...cpArgs(paths, to)];
}

const tarAttributes = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"];

/** Arguments of a GNU tar that packs the NUL-separated paths of its standard input, without descending. */
export function tarPackArgs(from: string): string[] {
  return [
    ...["--create", "--format=pax", "--sparse", ...tarAttributes, `--directory=${from}`],
    ...["--no-recursion", "--null", "--verbatim-files-from", "--files-from=-"],
  ];
}

/** Arguments of a GNU tar that unpacks its standard input into `to`, with the attributes of directories that exist. */
function tarUnpackArgs(to: string): string[] {
  return [
    ...["--extract", "--preserve-permissions", "--same-owner", ...tarAttributes],
    ...[`--directory=${to}`, "--file=-"],
  ];
}

/** Runs a program with messages in English and marked as belonging to this copy. */
export async function runMarked(
  context: ProgramContext,
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<void> {
  const addEnv = { LC_ALL: "C", [marker]: context.copy };
  await run(program, args, { cwd, addEnv, signal: context.signal });
}

/**
 * Carries the given paths (directories: their attributes only) from one tree to another through GNU tar, byte-safe.
 *
 * @throws {@link ExecError} of the tar that failed, the writing one first.
 */
export async function tarAcross(
  context: ProgramContext,
  from: string,
  to: string,
  paths: readonly string[],
): Promise<void> {
  const addEnv = { LC_ALL: "C", [marker]: context.copy };
  const options = { addEnv, signal: context.signal, pipeInput: true };
  const pack = spawnStream("tar", tarPackArgs(from), options);
  const unpack = spawnStream("tar", tarUnpackArgs(to), options);
  pack.stdout.pipe(unpack.stdin);
  const list = paths.map((path) => (path === "" ? "." : `./${path}`)).join("\0");
  pack.stdin.end(Buffer.from(list, "latin1"));
  unpack.stdout.resume();
  const results = await Promise.allSettled([pack.done, unpack.done]);
  for (const result of results.reverse()) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** Writes everything dirty of the file system that holds `path` to its disk. */
export async function flush(context: ProgramContext, path: string): Promise<void> {
  await runMarked(context, "sync", ["--file-system", path], path).catch((error: unknown) => {
    throw explain(error, path);
  });
}

/** Errors that a retry cannot fix, unlike those of a source in use. */
export function isFatal(error: unknown): boolean {
  if (!(error instanceof ExecError)) return !isGone(error);
  return error.exitCode === null || fatalMessages.test(error.stderr);
}

/** Shortens an error: a command line with a thousand paths does not help. */
export function explain(error: unknown, path: string): unknown {
  if (["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "")) {
    return new NoSpaceError(path, { cause: error });
  }
  if (!(error instanceof ExecError)) return error;
  if (/no space left on device|disk quota exceeded/i.test(error.stderr)) {
    return new NoSpaceError(path, { cause: shortened(error) });
  }
  return shortened(error);
}

/** Kills the programs that an earlier, killed run of the same copy left behind, and waits until they are gone. */
export async function endOrphans(copy: string): Promise<void> {
  await endMarked(marker, copy);
}

function shortened(error: ExecError): Error {
  const program = error.command.slice(0, 80);
  const how = error.signal ?? `exit ${error.exitCode}`;
  const lines = error.stderr.trim().split("\n").slice(-6).join("\n");
  return new Error(`${program}... failed (${how}): ${lines}`);
}
