import { hash as hashOf } from "node:crypto";
import { open } from "node:fs/promises";
import { z } from "zod";
import { sha256Hex } from "../../core/hash.ts";
import { readRegularFileSync } from "../../core/regular-file.ts";

/** Begins the file; the last letter is the version of its format and of what its keys are made of. */
const MAGIC = Buffer.from("SKMEMBR1");
const HASH_BYTES = 16;
/** Two hashes, three numbers and the type. */
const RECORD_BYTES = 2 * HASH_BYTES + 3 * 8 + 1;
const SHA256_BYTES = 32;
/** An archive of more members, about 240 MB of them, is read whole each time. */
const MOST_MEMBERS = 2 ** 22;
const HEAD_LIMIT_BYTES = 4096;
const NO_KEY = "\0".repeat(HASH_BYTES);

/** What the members of an archive are bound to. */
const head = z.object({
  /** Hex SHA-256 of the component's file in whose plain stream they stand. */
  sha256: z.string(),
  /** A later boot may have lost times of changes that are on the disk. */
  bootId: z.string(),
  /** The file system: its device number. */
  device: z.string(),
  /** Before the first look at the tree, in milliseconds since 1970. */
  lookedAtMs: z.number(),
});
export type MembersHead = z.infer<typeof head>;

/** One member of an archive, and where its record stands in the plain stream. */
export interface ArchivedMember {
  /** Of its path and of all that shows a change, see {@link memberKey}; undefined if these cannot prove its content. */
  readonly key: string | undefined;
  /** Of its path alone, see {@link pathKey}. */
  readonly path: string;
  readonly start: number;
  /** Headers, content and padding. */
  readonly recordBytes: number;
  /** The file's own size. */
  readonly bytes: number;
  /** As in its header. */
  readonly type: string;
}

/** The key of a member in a certain state: 16 bytes, one character each. */
export function memberKey(path: string, stamp: string): string {
  return hashOf("sha256", `${path}\0${stamp}`, "binary").slice(0, HASH_BYTES);
}

/** The key of a path. */
export function pathKey(path: string): string {
  return memberKey(path, "");
}

/** Writes the members of an archive into a new file, mode 0600, and fsyncs it. Does nothing if there are too many. */
export async function writeMembers(
  path: string,
  about: MembersHead,
  members: readonly ArchivedMember[],
): Promise<void> {
  if (members.length > MOST_MEMBERS) return;
  const text = Buffer.from(JSON.stringify(about));
  const start = MAGIC.length + 4;
  const records = start + text.length;
  const sum = records + members.length * RECORD_BYTES;
  const bytes = Buffer.alloc(sum + SHA256_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(text.length, MAGIC.length);
  text.copy(bytes, start);
  for (const [index, member] of members.entries()) {
    const at = records + index * RECORD_BYTES;
    bytes.write(member.key ?? NO_KEY, at, "latin1");
    bytes.write(member.path, at + HASH_BYTES, "latin1");
    bytes.writeDoubleLE(member.start, at + 2 * HASH_BYTES);
    bytes.writeDoubleLE(member.recordBytes, at + 2 * HASH_BYTES + 8);
    bytes.writeDoubleLE(member.bytes, at + 2 * HASH_BYTES + 16);
    bytes.write(member.type, at + 2 * HASH_BYTES + 24, 1, "latin1");
  }
  Buffer.from(sha256Hex(bytes.subarray(0, sum)), "hex").copy(bytes, sum);
  await using handle = await open(path, "w", 0o600);
  await handle.writeFile(bytes);
  await handle.sync();
}

/** The members of an archive, found by their keys. */
export class MemberFile {
  readonly head: MembersHead;
  readonly #records: Buffer;
  readonly #byKey = new Map<string, number>();
  readonly #byPath = new Map<string, number>();

  private constructor(about: MembersHead, records: Buffer) {
    this.head = about;
    this.#records = records;
    for (let at = 0; at < records.length; at += RECORD_BYTES) {
      const key = records.toString("latin1", at, at + HASH_BYTES);
      if (key !== NO_KEY) this.#byKey.set(key, at);
      this.#byPath.set(records.toString("latin1", at + HASH_BYTES, at + 2 * HASH_BYTES), at);
    }
  }

  /** Reads the file whole; undefined unless it is exactly what was written. */
  static read(path: string): MemberFile | undefined {
    const bytes = bytesOf(path);
    if (bytes === undefined) return undefined;
    const sum = bytes.length - SHA256_BYTES;
    const start = MAGIC.length + 4;
    if (sum < start || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
    if (sha256Hex(bytes.subarray(0, sum)) !== bytes.toString("hex", sum)) return undefined;
    const records = start + bytes.readUInt32LE(MAGIC.length);
    const about = head.safeParse(JSON.parse(bytes.toString("utf8", start, records))).data;
    return about && new MemberFile(about, bytes.subarray(records, sum));
  }

  /** The member with this key, see {@link memberKey}. */
  find(key: string): ArchivedMember | undefined {
    return this.#member(this.#byKey.get(key));
  }

  /** The last member of a path, see {@link pathKey}. */
  findPath(path: string): ArchivedMember | undefined {
    return this.#member(this.#byPath.get(path));
  }

  #member(at: number | undefined): ArchivedMember | undefined {
    if (at === undefined) return undefined;
    const records = this.#records;
    const key = records.toString("latin1", at, at + HASH_BYTES);
    const numbers = at + 2 * HASH_BYTES;
    return {
      key: key === NO_KEY ? undefined : key,
      path: records.toString("latin1", at + HASH_BYTES, numbers),
      start: records.readDoubleLE(numbers),
      recordBytes: records.readDoubleLE(numbers + 8),
      bytes: records.readDoubleLE(numbers + 16),
      type: records.toString("latin1", numbers + 24, numbers + 25),
    };
  }
}

function bytesOf(path: string): Buffer | undefined {
  try {
    const limit = HEAD_LIMIT_BYTES + MOST_MEMBERS * RECORD_BYTES;
    return readRegularFileSync(path, limit);
  } catch (error) {
    // What cannot be read is as if it were not there: everything is read.
    if (error instanceof Error) return undefined;
    throw error;
  }
}
