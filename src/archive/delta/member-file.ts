import { createHash, hash as hashOf } from "node:crypto";
import { open } from "node:fs/promises";
import { z } from "zod";
import { sha256Hex } from "../../core/hash.ts";
import { readRegularFileSync } from "../../core/regular-file.ts";

/** Begins the file; the last letter is the version of its format and of what its keys are made of. */
const MAGIC = Buffer.from("SKMEMBR2");
const HASH_BYTES = 16;
/** Numbers of four bytes in a hash. */
const WORDS = HASH_BYTES / 4;
/** The magic, the number of members, and the size of the head. */
const PREFIX_BYTES = MAGIC.length + 2 * 4;
/** Three numbers, two hashes and the type. */
const MEMBER_BYTES = 3 * 8 + 2 * HASH_BYTES + 1;
const SHA256_BYTES = 32;
/** An archive of more members, about 240 MB of them, is read whole each time. */
const MOST_MEMBERS = 2 ** 22;
const HEAD_LIMIT_BYTES = 4096;
const FIRST_ROOM = 1024;
const NO_KEY = "\0".repeat(HASH_BYTES);
/** No member. */
const NONE = -1;

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
interface ArchivedMember {
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

/** The facts about members by their numbers, in the processor's own byte order: the file is of use on its host only. */
interface Columns {
  readonly starts: Float64Array;
  readonly recordBytes: Float64Array;
  readonly bytes: Float64Array;
  /** Four for each member, as {@link paths} has; four zeros where there is no key. */
  readonly keys: Uint32Array;
  readonly paths: Uint32Array;
  readonly types: Uint8Array;
}

/** The columns of a file, where they lie one after the other. */
function columnsIn({ buffer, byteOffset }: Uint8Array, from: number, count: number): Columns {
  const at = byteOffset + from;
  const hashesAt = at + 3 * 8 * count;
  return {
    starts: new Float64Array(buffer, at, count),
    recordBytes: new Float64Array(buffer, at + 8 * count, count),
    bytes: new Float64Array(buffer, at + 2 * 8 * count, count),
    keys: new Uint32Array(buffer, hashesAt, WORDS * count),
    paths: new Uint32Array(buffer, hashesAt + HASH_BYTES * count, WORDS * count),
    types: new Uint8Array(buffer, hashesAt + 2 * HASH_BYTES * count, count),
  };
}

/** The members of an archive in its order: a million of them take 57 MB, twice as much while they are gathered. */
export class MemberList {
  #columns = columnsIn(new Uint8Array(FIRST_ROOM * MEMBER_BYTES), 0, FIRST_ROOM);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The columns as they stand in the file. */
  get parts(): Uint8Array[] {
    return Object.values(this.#columns).map((column: Columns[keyof Columns]) => {
      const width = column.byteLength / this.#columns.types.length;
      return new Uint8Array(column.buffer, column.byteOffset, width * this.#count);
    });
  }

  add(member: ArchivedMember): void {
    const at = this.#next();
    const { starts, recordBytes, bytes, keys, paths, types } = this.#columns;
    starts[at] = member.start;
    recordBytes[at] = member.recordBytes;
    bytes[at] = member.bytes;
    for (let word = 0; word < WORDS; word++) {
      keys[WORDS * at + word] = wordOf(member.key ?? NO_KEY, word);
      paths[WORDS * at + word] = wordOf(member.path, word);
    }
    types[at] = member.type.charCodeAt(0);
  }

  /** Adds a member as it is in another archive, at another place. */
  addCopy(of: MemberFile, member: number, start: number): void {
    const at = this.#next();
    copyMember(of.columns, member, this.#columns, at);
    this.#columns.starts[at] = start;
  }

  #next(): number {
    const { length } = this.#columns.types;
    if (this.#count === length) {
      const larger = columnsIn(new Uint8Array(2 * length * MEMBER_BYTES), 0, 2 * length);
      for (const name of Object.keys(larger) as (keyof Columns)[]) {
        larger[name].set(this.#columns[name]);
      }
      this.#columns = larger;
    }
    return this.#count++;
  }
}

function copyMember(from: Columns, member: number, to: Columns, at: number): void {
  // Each is there: the member is one of its list.
  to.starts[at] = from.starts[member] as number;
  to.recordBytes[at] = from.recordBytes[member] as number;
  to.bytes[at] = from.bytes[member] as number;
  for (let word = 0; word < WORDS; word++) {
    to.keys[WORDS * at + word] = from.keys[WORDS * member + word] as number;
    to.paths[WORDS * at + word] = from.paths[WORDS * member + word] as number;
  }
  to.types[at] = from.types[member] as number;
}

/** Writes the members of an archive into a new file, mode 0600, and fsyncs it. Does nothing if there are too many. */
export async function writeMembers(
  path: string,
  about: MembersHead,
  members: MemberList,
): Promise<void> {
  const { count } = members;
  if (count > MOST_MEMBERS) return;
  const text = Buffer.from(JSON.stringify(about));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  MAGIC.copy(prefix);
  prefix.writeUInt32LE(count, MAGIC.length);
  prefix.writeUInt32LE(text.length, MAGIC.length + 4);
  const parts = [prefix, ...members.parts, text];
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  await using handle = await open(path, "w", 0o600);
  for (const part of [...parts, hash.digest()]) await handle.writeFile(part);
  await handle.sync();
}

/** The members of an archive, found by their keys. Each is known by its number. */
export class MemberFile {
  readonly head: MembersHead;
  readonly columns: Columns;
  readonly #byKey: HashTable;
  readonly #byPath: HashTable;

  private constructor(about: MembersHead, columns: Columns) {
    this.head = about;
    this.columns = columns;
    this.#byKey = new HashTable(columns.keys);
    this.#byPath = new HashTable(columns.paths);
  }

  /** Reads the file whole; undefined unless it is exactly what was written. */
  static read(path: string): MemberFile | undefined {
    const bytes = bytesOf(path);
    if (bytes === undefined) return undefined;
    const sum = bytes.length - SHA256_BYTES;
    if (sum < PREFIX_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
    if (sha256Hex(bytes.subarray(0, sum)) !== bytes.toString("hex", sum)) return undefined;
    const count = bytes.readUInt32LE(MAGIC.length);
    const textAt = PREFIX_BYTES + count * MEMBER_BYTES;
    if (textAt > sum) return undefined;
    const text = bytes.toString("utf8", textAt, sum);
    const about = head.safeParse(JSON.parse(text)).data;
    return about && new MemberFile(about, columnsIn(bytes, PREFIX_BYTES, count));
  }

  /** The last member with this key, see {@link memberKey}. */
  find(key: string): number | undefined {
    return this.#byKey.find(key);
  }

  /** The last member of a path, see {@link pathKey}. */
  findPath(path: string): number | undefined {
    return this.#byPath.find(path);
  }

  /** Where the record of a member stands in the plain stream. */
  start(member: number): number {
    return this.columns.starts[member] ?? 0;
  }

  /** Its headers, content and padding. */
  recordBytes(member: number): number {
    return this.columns.recordBytes[member] ?? 0;
  }

  /** The file's own size. */
  bytes(member: number): number {
    return this.columns.bytes[member] ?? 0;
  }
}

/** Finds members by one of their hashes. Objects for each would take more memory than all that is known of them. */
class HashTable {
  /** Four for each member. */
  readonly #words: Uint32Array;
  readonly #table: Int32Array;

  constructor(words: Uint32Array) {
    this.#words = words;
    const count = words.length / WORDS;
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(1.5 * count + 2))).fill(NONE);
    for (let member = 0; member < count; member++) this.#enter(member);
  }

  find(hash: string): number | undefined {
    const [a, b] = [wordOf(hash, 0), wordOf(hash, 1)];
    const member = this.#table[this.#slotOf(a, b, wordOf(hash, 2), wordOf(hash, 3))] ?? NONE;
    return member === NONE ? undefined : member;
  }

  /** Replaces an earlier member with the same hash. */
  #enter(member: number): void {
    const words = this.#words;
    const at = WORDS * member;
    const [a, b] = [words[at] as number, words[at + 1] as number];
    const [c, d] = [words[at + 2] as number, words[at + 3] as number];
    const isNone = a === 0 && b === 0 && c === 0 && d === 0;
    if (!isNone) this.#table[this.#slotOf(a, b, c, d)] = member;
  }

  /** The slot of a hash, or the free one that it would get. */
  #slotOf(a: number, b: number, c: number, d: number): number {
    const words = this.#words;
    const mask = this.#table.length - 1;
    for (let slot = a & mask; ; slot = (slot + 1) & mask) {
      const member = this.#table[slot] ?? NONE;
      const at = WORDS * member;
      const isIt =
        member === NONE ||
        (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d);
      if (isIt) return slot;
    }
  }
}

/** Four characters of a hash, one character a byte, as a number. */
function wordOf(hash: string, word: number): number {
  const at = 4 * word;
  const low = hash.charCodeAt(at) | (hash.charCodeAt(at + 1) << 8);
  return (low | (hash.charCodeAt(at + 2) << 16) | (hash.charCodeAt(at + 3) << 24)) >>> 0;
}

function bytesOf(path: string): Buffer | undefined {
  try {
    const limit = HEAD_LIMIT_BYTES + MOST_MEMBERS * MEMBER_BYTES;
    return readRegularFileSync(path, limit);
  } catch (error) {
    // What cannot be read is as if it were not there: everything is read.
    if (error instanceof Error) return undefined;
    throw error;
  }
}
