import { chown, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Recipients } from "../archive/age/keys.ts";
import { type ByteSource, type Observer, writeArchive } from "../archive/write-archive.ts";
import type { Clock } from "../core/clock.ts";
import { BackupFailedError, describeError, KeeperError } from "../core/errors.ts";
import { ExecError } from "../core/exec.ts";
import type { Component } from "../model/manifest.ts";
import type { SinkOptions } from "./store.ts";

/** What is only known of a component when its last byte was written. */
export interface ComponentFacts {
  readonly source: string;
  readonly counts: Component["counts"];
  readonly details: Component["details"];
  readonly warnings: readonly string[];
  readonly recovery: string;
}

/** One component to be written. */
interface ComponentSpec {
  readonly name: string;
  readonly store: string;
  readonly service?: string | undefined;
  readonly method: string;
  /** The plain file's extension, such as `tar`; `.zst` and `.age` are added as they apply. */
  readonly extension: string;
  /** False for what is compressed already. */
  readonly compress: boolean;
  readonly source: ByteSource;
  /** Settles when the producer behind `source` has ended; its rejection fails the component. */
  readonly done?: Promise<unknown>;
  readonly observers?: readonly Observer[];
  readonly progress?: (plainBytes: number) => void;
  readonly signal: AbortSignal;
  /** When the copy was begun, ISO 8601 UTC; default now. */
  readonly startedAt?: string;
  readonly clock: Clock;
  /** Called after the last byte with the name of the file. A rejection removes the file and fails the component. */
  readonly describe: (file: string) => Promise<ComponentFacts> | ComponentFacts;
}

/**
 * Streams one component into the sink: compressed, encrypted, hashed, fsynced, mode 0600, and owned by the
 * owner of the sink's directory (a helper container writes as root what its caller must be able to read).
 *
 * @throws what the source, `done`, `describe` or the disk reject with; no file is left then.
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
    details: facts.details,
    warnings: [...facts.warnings],
    recovery: facts.recovery,
  };
}

/** The command that gives the plain bytes of a component's file to whatever follows in the pipe. */
export function openCommand(file: string): string {
  const steps = [
    ...(file.endsWith(".age") ? [`age -d -i key.txt ${file}`] : []),
    ...(/\.zst(\.age)?$/.test(file)
      ? [file.endsWith(".age") ? "zstd -d" : `zstd -dc ${file}`]
      : []),
  ];
  return steps.length > 0 ? steps.join(" | ") : `cat ${file}`;
}

/** Who can open what is written into the sink; undefined leaves it unencrypted. */
export function recipientsOf(sink: SinkOptions): Recipients | undefined {
  if (sink.passphrase !== undefined) return { passphrase: sink.passphrase };
  return sink.recipients.length === 0 ? undefined : { recipients: sink.recipients };
}

/**
 * What went wrong with one component, in one line that names it. What a program said at more length is the
 * evidence. An error that is meant for the reader already stays as it is.
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

/** The same words for a full disk, whoever finds it. */
const diskFull = {
  message: "the disk is full",
  details: { class: "disk-full", hint: "make room where the repository lies" },
} as const;

/** Whether an error, or one behind it, says that there is no room left: Node's, SQLite's or a program's. */
function isDiskFull(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && at.code === "ENOSPC") return true;
    if (/no space left on device|database or disk is full/i.test(at.message)) return true;
  }
  return false;
}

/** Nothing is described before the observers have seen the end; what cannot be described is not kept. */
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
