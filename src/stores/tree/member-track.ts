import { createHash } from "node:crypto";
import type { IndexMember } from "../../archive/archive-index.ts";
import type { BaseRange, Splice, Splices } from "../../archive/delta/encode.ts";
import { type ArchivedMember, memberKey, pathKey } from "../../archive/delta/member-file.ts";
import type { TarSummary } from "../../archive/tar/scanner.ts";
import { type Entry, isText, kindOf, readStamp, type Tree } from "../../rollback-copy/tree.ts";
import { mayBeCopied, type PlannedEntry } from "./unread.ts";

const NUL = Buffer.alloc(1);

/** A tree before it was read. */
interface Looked {
  readonly tree: Tree;
  /** What was changed before then is at rest: its stamp proves its content later. Undefined if none does. */
  readonly restingSinceNs: bigint | undefined;
}

/**
 * Follows the members of an archive as tar writes them, and puts those that are copied from the parent's archive between
 * them. Knows at the end what the whole archive has, as if tar had written all of it.
 */
export class MemberTrack implements Splices {
  readonly #looked: Looked;
  readonly #plan: readonly PlannedEntry[];
  /** Where in the plan a path that is read stands. */
  readonly #places: ReadonlyMap<string, number>;
  /** The first path of the plan that did not come yet; and the first one to be copied from there on. */
  #cursor = 0;
  #nextCopy = 0;
  readonly #queue: Splice[] = [];
  readonly #members: ArchivedMember[] = [];
  readonly #names = createHash("sha256");
  readonly #copied = { files: 0, directories: 0, symlinks: 0, contentBytes: 0 };
  #copiedBytes = 0;
  /** Where the last member that tar wrote ends in what it wrote. */
  #readEnd = 0;
  readonly limit: number;

  /** @param plan - undefined if tar reads everything */
  constructor(looked: Looked, plan: readonly PlannedEntry[] = []) {
    this.#looked = looked;
    this.#plan = plan;
    this.#places = new Map(plan.map(({ entry }, at) => [entry.path, at]));
    this.limit = this.#limitFrom(0);
  }

  /** The bytes of the archive that are copied so far. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /** Every member so far, in the archive's order. */
  get members(): readonly ArchivedMember[] {
    return this.#members;
  }

  /** @param raw - its name as it stands in the archive */
  onMember(member: IndexMember, raw: Buffer): void {
    const path = pathOf(raw);
    const place = this.#places.get(path);
    // A database comes first, and from elsewhere.
    const { offset, recordBytes, bytes, type } = member;
    if (offset !== this.#readEnd) throw new Error("there is something between two members");
    const copies = place === undefined ? [] : this.#copyUpTo(place);
    if (place !== undefined) this.#cursor = Math.max(this.#cursor, place + 1);
    const start = offset + this.#copiedBytes;
    this.#readEnd += recordBytes;
    const limit = this.#limitFrom(this.#cursor);
    if (this.#plan.length > 0) this.#queue.push({ copies, bytes: recordBytes, limit });
    this.#names.update(raw).update(NUL);
    this.#members.push({
      key: this.#keyOf(path, raw),
      path: pathKey(path),
      start,
      ...{ recordBytes, bytes, type },
    });
  }

  next(): Splice | undefined {
    return this.#queue.shift();
  }

  rest(): readonly BaseRange[] {
    return this.#copyUpTo(this.#plan.length);
  }

  /** @param read - of what tar wrote */
  summary(read: TarSummary): TarSummary {
    const { files, directories, symlinks, contentBytes } = this.#copied;
    return {
      ...read,
      files: read.files + files,
      directories: read.directories + directories,
      symlinks: read.symlinks + symlinks,
      contentBytes: read.contentBytes + contentBytes,
      namesSha256: this.#names.copy().digest("hex"),
    };
  }

  #copyUpTo(place: number): BaseRange[] {
    const ranges: { start: number; bytes: number }[] = [];
    for (; this.#cursor < place; this.#cursor++) {
      const { entry, copied } = this.#plan[this.#cursor] ?? {};
      if (entry === undefined || copied === undefined) continue;
      const { start, recordBytes } = copied;
      const last = ranges.at(-1);
      if (last !== undefined && last.start + last.bytes === start) last.bytes += recordBytes;
      else ranges.push({ start, bytes: recordBytes });
      this.#count(entry, copied);
    }
    return ranges;
  }

  #count(entry: Entry, copied: ArchivedMember): void {
    this.#names.update(nameOf(entry)).update(NUL);
    this.#members.push({ ...copied, start: this.#readEnd + this.#copiedBytes });
    this.#copiedBytes += copied.recordBytes;
    const kind = kindOf(entry.stamp);
    if (kind === "d") this.#copied.directories++;
    else if (kind === "l") this.#copied.symlinks++;
    else {
      this.#copied.files++;
      this.#copied.contentBytes += copied.bytes;
    }
  }

  /** Where in the parent the first range that is copied after this place of the plan begins. */
  #limitFrom(place: number): number {
    this.#nextCopy = Math.max(this.#nextCopy, place);
    while (this.#nextCopy < this.#plan.length) {
      const { copied } = this.#plan[this.#nextCopy] ?? {};
      if (copied !== undefined) return copied.start;
      this.#nextCopy++;
    }
    return Number.POSITIVE_INFINITY;
  }

  #keyOf(path: string, raw: Buffer): string | undefined {
    const { tree, restingSinceNs } = this.#looked;
    const entry = tree.get(path);
    if (entry === undefined || restingSinceNs === undefined) return undefined;
    const { stamp } = entry;
    // Its record must be the one that its name and its stamp tell.
    const isPlain = isText(path) && nameOf(entry).equals(raw) && mayBeCopied(stamp);
    const isAtRest = readStamp(stamp).ctimeNs < restingSinceNs;
    return isPlain && isAtRest ? memberKey(path, stamp) : undefined;
  }
}

/** A path as GNU tar writes it. */
function nameOf({ path, stamp }: Entry): Buffer {
  if (path === "") return Buffer.from("./");
  return Buffer.from(`./${path}${kindOf(stamp) === "d" ? "/" : ""}`, "latin1");
}

/** The path in a name that GNU tar wrote, one character a byte. */
function pathOf(raw: Buffer): string {
  return raw.toString("latin1").replace(/^\.\//, "").replace(/\/$/, "");
}
