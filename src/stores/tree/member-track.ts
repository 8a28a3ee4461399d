import { createHash } from "node:crypto";
import type { IndexMember } from "../../archive/archive-index.ts";
import type { BaseRange, Splice, Splices } from "../../archive/delta/encode.ts";
import { MemberList, memberKey, pathKey } from "../../archive/delta/member-file.ts";
import type { TarSummary } from "../../archive/tar/scanner.ts";
import { type Entry, isText, kindOf, readStamp, type Tree } from "../../rollback-copy/tree.ts";
import { mayBeCopied, type UnreadPlan } from "./unread.ts";

/** Names are hashed so many letters at a time. */
const NAMES_LETTERS = 32 * 1024;

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
  readonly #plan: UnreadPlan | undefined;
  /** How many paths the plan has. */
  readonly #planned: number;
  /** Where in the plan a path that is read stands. */
  readonly #places = new Map<string, number>();
  /** The first path of the plan that did not come yet; and the first one to be copied from there on. */
  #cursor = 0;
  #nextCopy = 0;
  readonly #queue: Splice[] = [];
  readonly #members = new MemberList();
  readonly #names = createHash("sha256");
  /** Names that are not hashed yet, one character a byte. */
  #waitingNames = "";
  readonly #copied = { files: 0, directories: 0, symlinks: 0, contentBytes: 0 };
  #copiedBytes = 0;
  /** Where the last member that tar wrote ends in what it wrote. */
  #readEnd = 0;
  readonly limit: number;

  /** @param plan - undefined if tar reads everything */
  constructor(looked: Looked, plan?: UnreadPlan) {
    this.#looked = looked;
    this.#plan = plan;
    this.#planned = plan?.entries.length ?? 0;
    for (const [place, { path }] of (plan?.entries ?? []).entries()) {
      if (plan?.copied(place) === undefined) this.#places.set(path, place);
    }
    this.limit = this.#limitFrom(0);
  }

  /** The bytes of the archive that are copied so far. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /** Every member so far, in the archive's order. */
  get members(): MemberList {
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
    if (this.#plan !== undefined) this.#queue.push({ copies, bytes: recordBytes, limit });
    this.#addName(raw.toString("latin1"));
    this.#members.add({
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
    return this.#copyUpTo(this.#planned);
  }

  /** @param read - of what tar wrote */
  summary(read: TarSummary): TarSummary {
    const { files, directories, symlinks, contentBytes } = this.#copied;
    this.#hashNames();
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
      const record = this.#plan?.copied(this.#cursor);
      const entry = this.#plan?.entries[this.#cursor];
      if (this.#plan === undefined || entry === undefined || record === undefined) continue;
      const { parent } = this.#plan;
      const [start, recordBytes] = [parent.start(record), parent.recordBytes(record)];
      const last = ranges.at(-1);
      if (last !== undefined && last.start + last.bytes === start) last.bytes += recordBytes;
      else ranges.push({ start, bytes: recordBytes });
      this.#addName(nameOf(entry));
      this.#members.addCopy(parent, record, this.#readEnd + this.#copiedBytes);
      this.#copiedBytes += recordBytes;
      this.#count(entry, parent.bytes(record));
    }
    return ranges;
  }

  #count(entry: Entry, bytes: number): void {
    const kind = kindOf(entry.stamp);
    if (kind === "d") this.#copied.directories++;
    else if (kind === "l") this.#copied.symlinks++;
    else {
      this.#copied.files++;
      this.#copied.contentBytes += bytes;
    }
  }

  /** Where in the parent the first range that is copied after this place of the plan begins. */
  #limitFrom(place: number): number {
    this.#nextCopy = Math.max(this.#nextCopy, place);
    for (; this.#nextCopy < this.#planned; this.#nextCopy++) {
      const record = this.#plan?.copied(this.#nextCopy);
      if (record !== undefined) return this.#plan?.parent.start(record) ?? 0;
    }
    return Number.POSITIVE_INFINITY;
  }

  #addName(name: string): void {
    this.#waitingNames += `${name}\0`;
    if (this.#waitingNames.length >= NAMES_LETTERS) this.#hashNames();
  }

  #hashNames(): void {
    this.#names.update(this.#waitingNames, "latin1");
    this.#waitingNames = "";
  }

  #keyOf(path: string, raw: Buffer): string | undefined {
    const { tree, restingSinceNs } = this.#looked;
    const entry = tree.get(path);
    if (entry === undefined || restingSinceNs === undefined) return undefined;
    const { stamp } = entry;
    // Its record must be the one that its name and its stamp tell.
    const isPlain = isText(path) && nameOf(entry) === raw.toString("latin1") && mayBeCopied(stamp);
    const isAtRest = readStamp(stamp).ctimeNs < restingSinceNs;
    return isPlain && isAtRest ? memberKey(path, stamp) : undefined;
  }
}

/** A path as GNU tar writes it, one character a byte. */
function nameOf({ path, stamp }: Entry): string {
  if (path === "") return "./";
  return `./${path}${kindOf(stamp) === "d" ? "/" : ""}`;
}

/** The path in a name that GNU tar wrote, one character a byte. */
function pathOf(raw: Buffer): string {
  return raw.toString("latin1").replace(/^\.\//, "").replace(/\/$/, "");
}
