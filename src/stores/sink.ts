import { unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Recipients } from "../archive/age/keys.ts";
import type { IndexWriter } from "../archive/archive-index.ts";
import type { Splices } from "../archive/delta/encode.ts";
import { type ByteSource, type Observer, writeArchive } from "../archive/write-archive.ts";
import type { Clock } from "../core/clock.ts";
import { BackupFailedError, describeError, KeeperError } from "../core/errors.ts";
import { ExecError } from "../core/exec.ts";
import type { Component, ComponentBase } from "../model/manifest.ts";
import { beginIndex, giveToOwner, type IndexedMembers, type Indexing } from "./component-index.ts";
import type { SinkOptions } from "./store.ts";

/** The facts about a component that are known only after its last byte was written. */
export interface ComponentFacts {
  readonly source: string;
  readonly counts: Component["counts"];
  readonly details: Component["details"];
  readonly warnings: readonly string[];
  readonly recovery: string;
}

/** One component to write. */
interface ComponentSpec {
  readonly name: string;
  readonly store: string;
  readonly service?: string | undefined;
  readonly method: string;
  /** The extension of the plain file, such as `tar`; `.zst` and `.age` are appended as needed. */
  readonly extension: string;
  /** False if the content is already compressed. */
  readonly compress: boolean;
  readonly source: ByteSource;
  /** Settles when the producer of `source` has ended. A rejection fails the component. */
  readonly done?: Promise<unknown>;
  readonly observers?: readonly Observer[];
  /** Of an archive of files: its members can then be read one by one. */
  readonly index?: IndexWriter;
  /** Of an incremental backup, if the caller began it; it disposes of it, too. */
  readonly indexing?: Indexing | undefined;
  /** Ranges of the base that are part of the component besides the bytes of `source`. */
  readonly splices?: (Splices & { readonly copiedBytes: number }) | undefined;
  /** The members of an archive of files after its last byte. Only with `indexing`. */
  readonly members?: () => IndexedMembers | undefined;
  readonly progress?: (plainBytes: number) => void;
  readonly signal: AbortSignal;
  /** When the copy began, ISO 8601 UTC; default now. */
  readonly startedAt?: string;
  readonly clock: Clock;
  /**
   * Called after the last byte with the command that opens the file by hand. A rejection removes the file and fails the
   * component.
   */
  readonly describe: (open: string) => Promise<ComponentFacts> | ComponentFacts;
}

/**
 * Streams one component into the sink: compressed, encrypted, hashed, fsynced, and with mode 0600. The owner of the
 * sink's directory owns the file, because a helper container writes as root and its caller must be able to read it.
 *
 * In an incremental backup the file is a delta if the parent has the component and its index.
 *
 * @throws the error of the source, `done`, `describe` or the disk; no file is left in that case.
 */
export async function writeComponent(sink: SinkOptions, spec: ComponentSpec): Promise<Component> {
  const startedAt = spec.startedAt ?? spec.clock.now().toISOString();
  const encrypt = recipientsOf(sink);
  await using own = spec.indexing === undefined ? await beginIndex(sink, spec.name) : undefined;
  const indexing = spec.indexing ?? own;
  const { splices } = spec;
  const encode = indexing?.encode;
  const base = indexing?.base;
  const compress = spec.compress || base !== undefined;
  const file = [
    `${spec.name}.${spec.extension}`,
    ...(base === undefined ? [] : ["rdiff"]),
    ...(compress ? ["zst"] : []),
    ...(encrypt === undefined ? [] : ["age"]),
  ].join(".");
  const written = await writeArchive({
    source: spec.source,
    ...(spec.done === undefined ? {} : { done: spec.done }),
    file: join(sink.directory, file),
    compress,
    encrypt,
    observers: [...(spec.observers ?? []), ...(indexing?.observers(splices) ?? [])],
    index: spec.index,
    encode: encode && ((plain) => encode(plain, splices)),
    ...(spec.progress === undefined ? {} : { progress: spec.progress }),
    signal: spec.signal,
  });
  const facts = await settled(sink, file, openCommand(file, base), spec);
  await indexing?.finish(written.sha256, spec.members?.());
  const plainSha256 = indexing?.plainSha256();
  return {
    name: spec.name,
    store: spec.store,
    method: spec.method,
    ...(spec.service === undefined ? {} : { service: spec.service }),
    startedAt,
    endedAt: spec.clock.now().toISOString(),
    file,
    bytes: written.bytes,
    sha256: written.sha256,
    plainBytes: written.plainBytes + (splices?.copiedBytes ?? 0),
    ...(plainSha256 === undefined ? {} : { plainSha256 }),
    compression: compress ? "zstd" : "none",
    encryption: encrypt === undefined ? "none" : "age",
    ...(base === undefined ? {} : { base }),
    source: facts.source,
    counts: facts.counts,
    details: { ...facts.details, ...indexDetails(spec.index) },
    warnings: [...facts.warnings],
    recovery: facts.recovery,
  };
}

function indexDetails(index: IndexWriter | undefined): Component["details"] {
  return index?.place === undefined ? {} : { index: { ...index.place } };
}

/** The command that writes the plain bytes of a component to a pipe, in the backup's directory. */
function openCommand(file: string, base: ComponentBase | undefined): string {
  const { before, into } = baseCommands(base);
  const steps = [
    ...(file.endsWith(".age") ? [`age -d -i key.txt ${file}`] : []),
    ...(/\.zst(\.age)?$/.test(file)
      ? [file.endsWith(".age") ? "zstd -d" : `zstd -dc ${file}`]
      : []),
    ...into,
  ];
  return [...before, steps.length > 0 ? steps.join(" | ") : `cat ${file}`].join(" && ");
}

/** The commands that write the plain bytes of what a delta is based on into a file, and the one that uses that file. */
function baseCommands(base: ComponentBase | undefined): {
  readonly before: readonly string[];
  readonly into: readonly string[];
} {
  if (base === undefined) return { before: [], into: [] };
  const file = `/var/tmp/${base.backup}-${base.file.split(".")[0]}`;
  const command = openCommand(`../${base.backup}/${base.file}`, base.base);
  return { before: [`${command} > ${file}`], into: [`rdiff patch ${file} - -`] };
}

/** The recipients of the files in the sink; undefined means unencrypted. */
export function recipientsOf(sink: SinkOptions): Recipients | undefined {
  if (sink.passphrase !== undefined) return { passphrase: sink.passphrase };
  return sink.recipients.length === 0 ? undefined : { recipients: sink.recipients };
}

/**
 * Describes the failure of one component in one line that names it. The full output of a program becomes the evidence.
 * A `KeeperError` is already written for the user and stays unchanged.
 */
export function backupFailed(name: string, error: unknown): Error {
  if (error instanceof KeeperError) return error;
  const full = isDiskFull(error);
  const [line = "", ...more] = describeError(error).split("\n");
  const stderr = error instanceof ExecError ? error.stderr.trim() : more.join("\n").trim();
  return new BackupFailedError(`${name}: ${full ? diskFull.message : line}`, {
    cause: error,
    ...(stderr === "" ? {} : { evidence: stderr }),
    ...(full ? diskFull.details : {}),
  });
}

/** One message for a full disk, whichever program finds it. */
const diskFull = {
  message: "the disk is full",
  details: { class: "disk-full", hint: "free space on the disk of the repository" },
} as const;

/** Whether an error or one of its causes means a full disk: from Node, SQLite or a program. */
export function isDiskFull(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && at.code === "ENOSPC") return true;
    if (/no space left on device|database or disk is full/i.test(at.message)) return true;
  }
  return false;
}

/** Describes the component after the observers have seen the last byte. Removes the file if that fails. */
async function settled(
  sink: SinkOptions,
  file: string,
  open: string,
  spec: ComponentSpec,
): Promise<ComponentFacts> {
  try {
    await giveToOwner(join(sink.directory, file), sink.directory);
    return await spec.describe(open);
  } catch (error) {
    await unlink(join(sink.directory, file));
    throw error;
  }
}
