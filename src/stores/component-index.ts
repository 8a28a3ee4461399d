import { createHash } from "node:crypto";
import { chown, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ChunkObserver, encodeDelta, type Splices } from "../archive/delta/encode.ts";
import { IndexWriter, readIndex } from "../archive/delta/index-file.ts";
import {
  MemberFile,
  type MemberList,
  type MembersHead,
  writeMembers,
} from "../archive/delta/member-file.ts";
import type { Observer } from "../archive/write-archive.ts";
import type { ComponentBase } from "../model/manifest.ts";
import type { SinkOptions } from "./store.ts";

/** A write sets the time of a file when it begins, and one of 2 GB on a slow disk may go on for long. */
const REST_MS = 60_000;

/** The indexes of an unfinished backup, in its directory: those of the parent, and the new ones. */
export function indexPaths(directory: string): { readonly parent: string; readonly made: string } {
  return { parent: join(directory, ".index-parent"), made: join(directory, ".index") };
}

/** The file beside a component's index that tells where the members of its archive stand. No component has such a name. */
export function membersName(component: string): string {
  return `${component}+members`;
}

/** The members of a component's archive, and what they are bound to besides the component. */
export interface IndexedMembers {
  readonly about: Omit<MembersHead, "sha256">;
  readonly members: MemberList;
}

/** How one component of an incremental backup is written. */
export interface Indexing extends AsyncDisposable {
  /** What the component is a delta of; undefined if it is written whole. */
  readonly base: ComponentBase | undefined;
  /** Whether a later backup may be a delta against this one. */
  readonly isParent: boolean;
  /** How long a file must have been at rest before its stamp proves its content later. */
  readonly restMs: number;
  /** The members of the base's archive, if they are known. */
  readonly members: () => MemberFile | undefined;
  /** Sees the plain bytes. @param splices - ranges of the base are part of the stream: not all of it is seen */
  observers(splices?: Splices): readonly Observer[];
  /** Undefined if the component is written whole. */
  readonly encode:
    | ((plain: AsyncIterable<Buffer>, splices?: Splices) => AsyncIterable<Buffer>)
    | undefined;
  /** The SHA-256 of the plain bytes, hex, after the last one; undefined if not all were seen. */
  plainSha256(): string | undefined;
  /** Completes the index. @param sha256 - of the component's file, hex */
  finish(sha256: string, members?: IndexedMembers): Promise<void>;
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
  let isWhole = true;
  let isOpen = index !== undefined;
  const indexed = { key, index };
  return {
    base: chunks === undefined ? undefined : wanted,
    isParent: incremental.isParent,
    restMs: incremental.restMs ?? REST_MS,
    members: () => {
      const file =
        chunks === undefined ? undefined : MemberFile.read(join(parent, membersName(name)));
      return file?.head.sha256 === wanted?.sha256 ? file : undefined;
    },
    observers: (splices) => {
      isWhole = splices === undefined;
      return [
        ...(isWhole ? [{ update: (chunk: Buffer) => void hash.update(chunk) }] : []),
        ...(chunks === undefined && index !== undefined ? [new ChunkObserver(indexed)] : []),
      ];
    },
    encode: chunks && ((plain, splices) => encodeDelta(plain, chunks, { ...indexed, splices })),
    plainSha256: () => (isWhole ? hash.digest("hex") : undefined),
    finish: async (sha256, found) => {
      if (index === undefined) return;
      isOpen = false;
      if (!index.finish(sha256)) return await rm(path);
      await giveToOwner(path, directory);
      if (found === undefined) return;
      const beside = join(made, membersName(name));
      await writeMembers(beside, { ...found.about, sha256 }, found.members);
      await giveToOwner(beside, directory);
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
