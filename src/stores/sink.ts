import { chown, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Recipients } from "../archive/age/keys.ts";
import type { IndexWriter } from "../archive/archive-index.ts";
import { type ByteSource, type Observer, writeArchive } from "../archive/write-archive.ts";
import type { Clock } from "../core/clock.ts";
import { BackupFailedError, describeError, KeeperError } from "../core/errors.ts";
import { ExecError } from "../core/exec.ts";
import type { Component } from "../model/manifest.ts";
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
  readonly progress?: (plainBytes: number) => void;
  readonly signal: AbortSignal;
  /** When the copy began, ISO 8601 UTC; default now. */
  readonly startedAt?: string;
  readonly clock: Clock;
  /** Called after the last byte with the name of the file. A rejection removes the file and fails the component. */
  readonly describe: (file: string) => Promise<ComponentFacts> | ComponentFacts;
}

/**
 * Streams one component into the sink: compressed, encrypted, hashed, fsynced, and with mode 0600. The owner of the
 * sink's directory owns the file, because a helper container writes as root and its caller must be able to read it.
 *
 * @throws the error of the source, `done`, `describe` or the disk; no file is left in that case.
 */
export async function writeComponent(sink: SinkOptions, spec: ComponentSpec): Promise<Component> {
  const startedAt = spec.startedAt ?? spec.clock.now().toISOString();
  const encrypt = recipientsOf(sink);
  const file = [
    `${spec.name}.${spec.extension}`,
    ...(spec.compress ? ["zst"] : []),
    ...(encrypt === undefined ? [] : ["age"]),
  ].join(".");
  const written = await writeArchive({
    source: spec.source,
    ...(spec.done === undefined ? {} : { done: spec.done }),
    file: join(sink.directory, file),
    compress: spec.compress,
    encrypt,
    observers: spec.observers ?? [],
    index: spec.index,
    ...(spec.progress === undefined ? {} : { progress: spec.progress }),
    signal: spec.signal,
  });
  const facts = await settled(sink, file, spec);
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
    plainBytes: written.plainBytes,
    compression: spec.compress ? "zstd" : "none",
    encryption: encrypt === undefined ? "none" : "age",
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

/** The command that writes the plain bytes of a component's file to a pipe. */
export function openCommand(file: string): string {
  const steps = [
    ...(file.endsWith(".age") ? [`age -d -i key.txt ${file}`] : []),
    ...(/\.zst(\.age)?$/.test(file)
      ? [file.endsWith(".age") ? "zstd -d" : `zstd -dc ${file}`]
      : []),
  ];
  return steps.length > 0 ? steps.join(" | ") : `cat ${file}`;
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
  spec: ComponentSpec,
): Promise<ComponentFacts> {
  try {
    await giveToOwner(join(sink.directory, file), sink.directory);
    return await spec.describe(file);
  } catch (error) {
    await unlink(join(sink.directory, file));
    throw error;
  }
}

async function giveToOwner(file: string, directory: string): Promise<void> {
  const { uid, gid } = await stat(directory);
  if (process.geteuid?.() === 0 && uid !== 0) await chown(file, uid, gid);
}
