import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { z } from "zod";
import type { Identities } from "../archive/age/keys.ts";
import type { IndexMember, IndexPlace } from "../archive/archive-index.ts";
import { type ByteRange, cutRanges } from "../archive/ranges.ts";
import { type ArchivePlace, type ReadRequest, readArchive } from "../archive/read-archive.ts";
import { indexedMembers, indexedRanges } from "../archive/read-indexed.ts";
import { TarScanner } from "../archive/tar/scanner.ts";
import type { TaskMount } from "../core/task.ts";
import { basesOf, type Component, type ComponentBase } from "../model/manifest.ts";

/** The directory of a backup's components, and the keys that open them. Plain JSON, so that a task can receive it. */
export interface SourceOptions {
  readonly directory: string;
  readonly identities: readonly string[];
  readonly passphrase: string | undefined;
  /** Nobody trusted made the backup: device nodes and programs with the rights of their owner are refused. */
  readonly untrusted?: boolean | undefined;
}

/** The part of a context that a task needs to open components. */
export function sourceOf(context: SourceOptions): SourceOptions {
  const { directory, identities, passphrase, untrusted = false } = context;
  return { directory, identities, passphrase, untrusted };
}

/** The request with which the archive layer reads a component. */
export function readRequest(
  source: SourceOptions,
  component: Component,
  signal?: AbortSignal,
): ReadRequest {
  return {
    ...placeOf(source, source.directory, component),
    untrusted: source.untrusted,
    signal,
  };
}

/** The request that reads a component's own file: if it is a delta, only that. */
export function ownRequest(
  source: SourceOptions,
  component: Component,
  signal?: AbortSignal,
): ReadRequest {
  const { plainBytes, plainSha256, base, ...own } = readRequest(source, component, signal);
  return base === undefined ? { ...own, plainBytes, plainSha256 } : own;
}

/** The mounts of a task that reads components: the backup's directory, and those of its ancestors beside it. */
export function sourceMounts(
  { directory }: Pick<SourceOptions, "directory">,
  components: readonly Component[],
): TaskMount[] {
  const ids = components.flatMap((component) => basesOf(component).map(({ backup }) => backup));
  const paths = [directory, ...new Set(ids.map((id) => join(dirname(directory), id)))];
  return paths.map((path) => ({ path, readOnly: true }));
}

function placeOf(
  source: SourceOptions,
  directory: string,
  component: Component | ComponentBase,
): ArchivePlace {
  const { file, compression, encryption, base } = component;
  return {
    file: join(directory, file),
    compressed: compression === "gzip" ? "gzip" : compression === "zstd",
    decrypt: encryption === "age" ? identitiesOf(source) : undefined,
    // Nothing was recorded of a file that was made by hand.
    plainBytes: component.sha256 === "" ? undefined : component.plainBytes,
    plainSha256: component.plainSha256,
    base: base && placeOf(source, join(dirname(source.directory), base.backup), base),
  };
}

/** The plain bytes of a component. They are valid only if the stream ended without an error. */
export function openComponent(
  source: SourceOptions,
  component: Component,
  signal?: AbortSignal,
  progress?: (plainBytes: number) => void,
): Readable {
  const request = readRequest(source, component, signal);
  return Readable.from(readArchive(progress === undefined ? request : { ...request, progress }));
}

const place = z.object({ at: z.int(), bytes: z.int(), sha256: z.string() });

/** Where the index of an archive of files is; undefined for what has none, as in backups of earlier versions. */
export function indexPlace({ file, details }: Component): IndexPlace | undefined {
  // A difference to another archive has no members of its own.
  return /\.tar\.zst(\.age)?$/.test(file) ? place.safeParse(details.index).data : undefined;
}

/**
 * The members of an archive of files in its order. With an index nothing else is read; without one the archive is read
 * to its last byte.
 *
 * @throws DamagedError when it is damaged, UnverifiableError when no key opens it.
 */
export async function* membersOf(
  source: SourceOptions,
  component: Component,
  signal: AbortSignal,
): AsyncGenerator<IndexMember> {
  const index = indexPlace(component);
  if (index !== undefined) {
    yield* indexedMembers(readRequest(source, component, signal), index);
    return;
  }
  const members: IndexMember[] = [];
  const scanner = new TarScanner({ listener: (member) => members.push(member) });
  for await (const chunk of openComponent(source, component, signal)) {
    scanner.update(chunk);
    yield* members.splice(0);
  }
  scanner.end();
}

/**
 * Some bytes of an archive of files. With an index, only the frames that hold them are read, and each is proven by the
 * manifest. Without one the archive is read to its last byte; its checksum is not compared.
 *
 * @param ranges - ascending, not overlapping
 * @throws as {@link membersOf} does.
 */
export async function* rangesOf(
  source: SourceOptions,
  component: Component,
  ranges: readonly ByteRange[],
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const index = indexPlace(component);
  if (index !== undefined) {
    yield* indexedRanges(readRequest(source, component, signal), index, ranges);
  } else {
    const whole = [{ offset: 0, bytes: Number.POSITIVE_INFINITY }];
    yield* cutRanges(openComponent(source, component, signal), whole, ranges);
  }
}

function identitiesOf(source: SourceOptions): Identities {
  return {
    identities: source.identities,
    ...(source.passphrase === undefined ? {} : { passphrase: source.passphrase }),
  };
}
