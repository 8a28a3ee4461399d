import type { Clock } from "../core/clock.ts";
import type { Reporter } from "../core/reporter.ts";

/**
 * How it was shown that the store holds the bytes that were read here. `sha256` and `etag`: a digest that the store
 * computed; `read`: the object was read back.
 */
export type Proof = "sha256" | "etag" | "read";

/** The tools of one transfer. */
export interface TransferContext {
  readonly reporter: Reporter;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A file on this host, to be stored. */
export interface LocalFile {
  readonly path: string;
  /** Lower-case hex, from the manifest; undefined if the manifest does not name the file. */
  readonly sha256: string | undefined;
}

/** A stored and proven object. */
export interface StoredFile {
  readonly bytes: number;
  /** Of what was read on this host, lower-case hex. */
  readonly sha256: string;
  readonly proof: Proof;
}

/** One object, or one version of it. */
export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** Undefined: the current one. */
  readonly version?: string;
}

/** What became of an object that was to be removed. */
export type Removal =
  | { readonly isRemoved: true }
  | { readonly isRemoved: false; readonly why: string };

/**
 * Objects by key, without directories. An object is there as a whole or not at all. No method returns an error that
 * goes away by itself before it has tried for a while.
 */
export interface ObjectStore {
  /** Where it is, for people: `s3://BUCKET/PREFIX`. Never with a credential. */
  readonly name: string;

  /** @throws RefusedError if nothing can be sent from here, whatever the store answers. Asks it nothing. */
  refuseUnready(): void;

  /**
   * Stores a file unless the same bytes are there already, continues a transfer that was interrupted, and proves what
   * is there.
   *
   * @throws UploadFailedError (class `upload-differs`) if the key holds other bytes; with another class if the store
   * cannot be reached, refuses, or received something else.
   */
  putFile(key: string, file: LocalFile, context: TransferContext): Promise<StoredFile>;

  /** The same for a short text, which is read back. */
  putText(key: string, text: string, context: TransferContext): Promise<void>;

  /** The current objects below a prefix, by key. @throws UnverifiableError if they cannot be listed. */
  list(prefix: string, context: TransferContext): Promise<readonly StoredObject[]>;

  /**
   * Every version of the objects below a prefix, also of those that were deleted or overwritten, the oldest first. A
   * store without versions lists the current objects.
   */
  versions(prefix: string, context: TransferContext): Promise<readonly StoredObject[]>;

  /**
   * The bytes of an object from an offset on. An interrupted transfer continues where it was.
   *
   * @throws UnverifiableError if it cannot be read to its end.
   */
  read(object: StoredObject, from: number, context: TransferContext): AsyncIterable<Uint8Array>;

  /**
   * Makes the lock of every version below a prefix hold at least as long as that of what is stored now, and proves it. Never
   * shortens one. Absent, or without effect, where nothing is locked.
   *
   * @throws UploadFailedError if one cannot be lengthened (class `no-lock` or `denied`), or the store cannot be reached.
   */
  lengthenLocks?(prefix: string, context: TransferContext): Promise<void>;

  /** Removes an object with all its versions. One that is locked, or that these credentials may not remove, stays. */
  remove(key: string, context: TransferContext): Promise<Removal>;
}
