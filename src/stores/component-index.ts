import { createHash } from "node:crypto";
import { chown, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ChunkObserver, encodeDelta } from "../archive/delta/encode.ts";
import { IndexWriter, readIndex } from "../archive/delta/index-file.ts";
import type { Observer } from "../archive/write-archive.ts";
import type { ComponentBase } from "../model/manifest.ts";
import type { SinkOptions } from "./store.ts";

/** The indexes of an unfinished backup, in its directory: those of the parent, and the new ones. */
export function indexPaths(directory: string): { readonly parent: string; readonly made: string } {
  return { parent: join(directory, ".index-parent"), made: join(directory, ".index") };
}

/** How one component of an incremental backup is written. */
interface Indexing extends AsyncDisposable {
  /** What the component is a delta of; undefined if it is written whole. */
  readonly base: ComponentBase | undefined;
  readonly observers: readonly Observer[];
  readonly encode: ((plain: AsyncIterable<Buffer>) => AsyncIterable<Buffer>) | undefined;
  /** The SHA-256 of the plain bytes, hex, after the last one. */
  plainSha256(): string;
  /** Completes the index. @param sha256 - of the component's file, hex */
  finish(sha256: string): Promise<void>;
}

/**
 * Gets ready for one component of an incremental backup; undefined for any other backup. Without the whole index of
 * exactly its base, the component is written whole.
 */
export async function beginIndex(sink: SinkOptions, name: string): Promise<Indexing | undefined> {
  const { incremental, directory } = sink;
  if (incremental === undefined) return undefined;
  const { parent, made } = indexPaths(directory);
  const wanted = incremental.bases[name];
  const known = wanted === undefined ? undefined : await readIndex(join(parent, name));
  const key = Buffer.from(incremental.key, "hex");
  const audience = Buffer.from(incremental.audience, "hex");
  const isOfBase =
    known?.sha256 === wanted?.sha256 && known?.key.equals(key) && known.audience.equals(audience);
  const chunks = known !== undefined && isOfBase === true ? known.chunks() : undefined;
  const path = join(made, name);
  const index = incremental.isParent ? new IndexWriter(path, { key, audience }) : undefined;
  const hash = createHash("sha256");
  let isOpen = index !== undefined;
  const indexed = { key, index };
  return {
    base: chunks === undefined ? undefined : wanted,
    observers: [
      { update: (chunk) => void hash.update(chunk) },
      ...(chunks === undefined && index !== undefined ? [new ChunkObserver(indexed)] : []),
    ],
    encode: chunks && ((plain) => encodeDelta(plain, chunks, indexed)),
    plainSha256: () => hash.digest("hex"),
    finish: async (sha256) => {
      if (index === undefined) return;
      isOpen = false;
      if (index.finish(sha256)) await giveToOwner(path, directory);
      else await rm(path);
    },
    [Symbol.asyncDispose]: async () => {
      if (isOpen) index?.close();
      if (isOpen) await rm(path, { force: true });
    },
  };
}

/** Gives a file to the owner of the directory, who must be able to read it, if a helper made it as root. */
export async function giveToOwner(file: string, directory: string): Promise<void> {
  const { uid, gid } = await stat(directory);
  if (process.geteuid?.() === 0 && uid !== 0) await chown(file, uid, gid);
}
