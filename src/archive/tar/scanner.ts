import { createHash, type Hash } from "node:crypto";
import { DamagedError } from "../../core/errors.ts";
import type { IndexMember } from "../archive-index.ts";
import type { Observer } from "../write-archive.ts";
import {
  type PaxRecords,
  parsePaxRecords,
  parseTarHeader,
  TAR_BLOCK_BYTES,
  type TarHeader,
} from "./header.ts";
import { EXPANDED_LIMIT_BYTES, SparseExpander } from "./sparse.ts";

/** A member whose content is wanted in passing. */
export interface WantedMember {
  /** Its path from the archive's root, without `./`. */
  readonly name: string;
  /** Its content is kept up to this many bytes; the hash is made in any case. */
  readonly keepBytes?: number;
}

/** A wanted member that was there. */
export interface FoundMember {
  readonly bytes: number;
  /** Hex sha256 of its content, holes included. */
  readonly sha256: string;
  /** Its content, where it was to be kept and is small enough. */
  readonly content?: Buffer;
}

/** What an archive holds, by its headers alone. */
export interface TarSummary {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly hardlinks: number;
  /** Fifos and devices. */
  readonly specials: number;
  /** The files' own sizes, holes included. */
  readonly contentBytes: number;
  /** Hex sha256 over every name and a NUL, in the archive's order. */
  readonly namesSha256: string;
  readonly found: ReadonlyMap<string, FoundMember>;
}

/** Sees each member once, in the archive's order, and its name as it stands there. */
export type MemberListener = (member: IndexMember, raw: Buffer) => void;

const NUL = Buffer.alloc(1);
/** More than any path or attribute set of a real file system. */
const EXTENSION_LIMIT_BYTES = 16 * 1024 * 1024;

type Sink = { update(content: Buffer): void; end(): void };
type Body = { left: number; padding: number; sink: Sink | undefined };

/**
 * Reads the headers of a tar stream in passing and counts what it holds; contents are stepped over,
 * not copied. Knows ustar, pax (GNU sparse 1.0 included) and GNU long names.
 *
 * @throws {@link DamagedError} from `update` for a damaged header, from `end` when the two
 * blocks of zeros that end an archive have not come.
 */
export class TarScanner implements Observer {
  readonly #wanted: ReadonlyMap<string, WantedMember>;
  readonly #listener: MemberListener | undefined;
  readonly #isOwn: boolean;
  readonly #names = createHash("sha256");
  readonly #found = new Map<string, FoundMember>();
  readonly #counts = { files: 0, directories: 0, symlinks: 0, hardlinks: 0, specials: 0 };
  readonly #block = Buffer.alloc(TAR_BLOCK_BYTES);
  #blockBytes = 0;
  #contentBytes = 0;
  #zeroBlocks = 0;
  #offset = 0;
  #endOffset: number | undefined;
  #mapFollows: boolean = false;
  #body: Body | undefined;
  #pax: PaxRecords | undefined;
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;
  /** Where the first header of the next member begins. */
  #memberOffset: number | undefined;

  /** @param options - `isOwn`: tar makes the archive now, so a large member with holes is no forgery and is passed over */
  constructor(
    options: {
      readonly wanted?: readonly WantedMember[];
      readonly listener?: MemberListener;
      readonly isOwn?: boolean;
    } = {},
  ) {
    this.#isOwn = options.isOwn === true;
    this.#wanted = new Map(options.wanted?.map((member) => [member.name, member]));
    this.#listener = options.listener;
  }

  /** Where the blocks of zeros that end the archive end, once they were seen; what follows is padding. */
  get endOffset(): number | undefined {
    return this.#endOffset;
  }

  update(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const body = this.#body;
      const passed =
        body === undefined ? this.#readBlock(chunk, at) : this.#readBody(chunk, at, body);
      at += passed;
      this.#offset += passed;
      if (this.#zeroBlocks === 2) this.#endOffset ??= this.#offset;
    }
  }

  end(): void {
    if (this.#zeroBlocks < 2) throw new DamagedError("the tar archive is cut short");
  }

  /** Meaningful after `end`. */
  summary(): TarSummary {
    return {
      ...this.#counts,
      contentBytes: this.#contentBytes,
      namesSha256: this.#names.copy().digest("hex"),
      found: this.#found,
    };
  }

  /** These two return how many bytes they have passed. */
  #readBlock(chunk: Buffer, at: number): number {
    if (this.#blockBytes === 0 && chunk.length - at >= TAR_BLOCK_BYTES) {
      this.#onBlock(chunk, at, this.#offset);
      return TAR_BLOCK_BYTES;
    }
    const copied = chunk.copy(this.#block, this.#blockBytes, at);
    this.#blockBytes += copied;
    if (this.#blockBytes === TAR_BLOCK_BYTES) {
      this.#blockBytes = 0;
      this.#onBlock(this.#block, 0, this.#offset + copied - TAR_BLOCK_BYTES);
    }
    return copied;
  }

  #readBody(chunk: Buffer, at: number, body: Body): number {
    const passed = Math.min(body.left + body.padding, chunk.length - at);
    const content = Math.min(body.left, passed);
    if (content > 0) {
      body.left -= content;
      if (body.sink !== undefined) {
        body.sink.update(chunk.subarray(at, at + content));
        if (body.left === 0) body.sink.end();
      }
    }
    body.padding -= passed - content;
    if (body.left + body.padding === 0) this.#body = undefined;
    return passed;
  }

  /** @param offset - of the block, from the begin of the archive */
  #onBlock(chunk: Buffer, at: number, offset: number): void {
    if (this.#mapFollows) {
      this.#mapFollows = chunk[at + 504] === 1;
      return;
    }
    const header = parseTarHeader(chunk, at);
    if (header === undefined) {
      this.#zeroBlocks++;
      return;
    }
    if (this.#zeroBlocks > 0) throw new DamagedError("a tar member follows the end");
    this.#mapFollows = header.sparseMapFollows;
    this.#memberOffset ??= offset;
    const size = sizeOf(this.#pax?.get("size")) ?? header.size;
    const end = offset + TAR_BLOCK_BYTES + size + padding(size);
    const sink = this.#sinkFor(header, size, end);
    if (size === 0) sink?.end();
    else this.#body = { left: size, padding: padding(size), sink };
  }

  #sinkFor(header: TarHeader, size: number, end: number): Sink | undefined {
    switch (header.type) {
      case "x":
        return gathered(size, (content) => {
          this.#pax = parsePaxRecords(content);
        });
      case "L":
        return gathered(size, (content) => {
          this.#longName = untilNul(content);
        });
      case "K":
        return gathered(size, (content) => {
          this.#longLink = untilNul(content);
        });
      case "g":
        return undefined;
      default:
        return this.#member(header, size, end);
    }
  }

  #member(header: TarHeader, size: number, end: number): Sink | undefined {
    const pax = this.#pax;
    const longLink = this.#longLink;
    const offset = this.#memberOffset ?? 0;
    const raw = pax?.get("GNU.sparse.name") ?? pax?.get("path") ?? this.#longName ?? header.name;
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#memberOffset = undefined;
    const realBytes = sizeOf(pax?.get("GNU.sparse.realsize")) ?? size;
    this.#names.update(raw).update(NUL);
    this.#count(header.type, realBytes);
    if (this.#wanted.size === 0 && this.#listener === undefined) return undefined;
    const name = relativeName(raw.toString("utf8"));
    const { type, mode } = header;
    const mtimeSeconds = timeOf(pax?.get("mtime")) ?? header.mtimeSeconds;
    if (this.#listener !== undefined) {
      const link = isLink(type) ? (pax?.get("linkpath") ?? longLink ?? header.linkName) : undefined;
      const facts = {
        ...{ name, type, bytes: realBytes, mode, mtimeSeconds },
        ...(link === undefined ? {} : { linkName: linkTarget(type, link.toString("utf8")) }),
        ...{ offset, recordBytes: end - offset },
      };
      this.#listener(facts, raw);
    }
    const wanted = this.#wanted.get(name);
    if (wanted === undefined) return undefined;
    // Whoever unpacks the archive gets the last member of a name.
    this.#found.delete(name);
    if (!isFile(header.type)) return undefined;
    const isSparse = pax?.get("GNU.sparse.major")?.toString() === "1";
    if (this.#isOwn && isSparse && realBytes > EXPANDED_LIMIT_BYTES) return undefined;
    return this.#capture(wanted, realBytes, isSparse);
  }

  #count(type: string, bytes: number): void {
    if (isFile(type)) {
      this.#counts.files++;
      this.#contentBytes += bytes;
    } else if (type === "5") this.#counts.directories++;
    else if (type === "2") this.#counts.symlinks++;
    else if (type === "1") this.#counts.hardlinks++;
    else this.#counts.specials++;
  }

  #capture(wanted: WantedMember, bytes: number, sparse: boolean): Sink {
    const hash: Hash = createHash("sha256");
    const kept: Buffer[] | undefined = bytes <= (wanted.keepBytes ?? -1) ? [] : undefined;
    const take = (content: Buffer): void => {
      hash.update(content);
      kept?.push(Buffer.from(content));
    };
    const found = (): void => {
      const content = kept === undefined ? {} : { content: Buffer.concat(kept) };
      this.#found.set(wanted.name, { bytes, sha256: hash.digest("hex"), ...content });
    };
    if (!sparse) return { update: take, end: found };
    const expander = new SparseExpander(bytes, take);
    return {
      update: (content) => expander.update(content),
      end() {
        expander.end();
        found();
      },
    };
  }
}

/** A sink that hands all of a small content over at once, as memory that stays as it is. */
function gathered(size: number, then: (content: Buffer) => void): Sink {
  if (size > EXTENSION_LIMIT_BYTES) throw new DamagedError("a tar header is damaged");
  const parts: Buffer[] = [];
  return {
    update: (content) => void parts.push(Buffer.from(content)),
    end: () => then(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)),
  };
}

function isFile(type: string): boolean {
  return type === "0" || type === "7" || type === "S";
}

function isLink(type: string): boolean {
  return type === "1" || type === "2";
}

/** A hard link names a member; a symbolic link is text. */
function linkTarget(type: string, link: string): string {
  return type === "1" ? relativeName(link) : link;
}

/** Bytes after a content of this size, up to a whole block. */
function padding(size: number): number {
  return -size & (TAR_BLOCK_BYTES - 1);
}

/** A size from a pax record. @throws DamagedError for what is no whole number: it would be counted and waited for. */
function sizeOf(value: Buffer | undefined): number | undefined {
  if (value === undefined) return undefined;
  const text = value.toString("latin1");
  const size = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(size)) return size;
  throw new DamagedError("a pax header is damaged");
}

/** A time from a pax record, which may be before the epoch and have a fraction. @throws DamagedError for anything else. */
function timeOf(value: Buffer | undefined): number | undefined {
  if (value === undefined) return undefined;
  const text = value.toString("latin1");
  if (/^-?\d{1,20}(\.\d*)?$/.test(text)) return Number(text);
  throw new DamagedError("a pax header is damaged");
}

function untilNul(name: Buffer): Buffer {
  const end = name.indexOf(0);
  return end < 0 ? name : name.subarray(0, end);
}

/** `./a//./b/` as `a/b`; the root as `.`. */
function relativeName(name: string): string {
  const plain = name.replace(/\/(?:\.?\/)+/g, "/").replace(/\/\.$/, "");
  const relative = plain.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");
  return relative === "" ? "." : relative;
}
