import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  asUploadFailure,
  DamagedError,
  describeError,
  RefusedError,
  UploadFailedError,
} from "../core/errors.ts";
import { formatBytes } from "../core/format.ts";
import { sha256Hex } from "../core/hash.ts";
import { checksumsFile, formatChecksums, parseChecksums } from "./checksums-file.ts";
import type { Delivery, Destination, Shipment } from "./destination.ts";
import type {
  ObjectStore,
  Proof,
  Removal,
  StoredFile,
  StoredObject,
  TransferContext,
} from "./object-store.ts";
import { sealedFiles } from "./sealed.ts";
import { type ListSigner, putSignature, readSignedList } from "./signed-list.ts";

/** A backup off this host, as listed: complete, not verified. */
export interface ListedRemote {
  readonly project: string;
  readonly id: string;
  readonly bytes: number;
}

/** One file of a backup off this host. */
export interface RemoteFile {
  readonly name: string;
  readonly bytes: number;
  /** As `SHA256SUMS` tells it, lower-case hex. */
  readonly sha256: string;
  /** Where its bytes may be, the oldest version first; empty if the file is missing. */
  readonly candidates: readonly StoredObject[];
}

/** A complete backup off this host. */
export interface RemoteBackup {
  readonly project: string;
  readonly id: string;
  readonly files: readonly RemoteFile[];
  /** Who signed the list of the files. */
  readonly signer: ListSigner;
}

const proofs: readonly Proof[] = ["read", "etag", "sha256"];

/**
 * Backups in a store of objects: `PROJECT/backups/ID/FILE` for each sealed file, then `SHA256SUMS.sig` and `SHA256SUMS`.
 * Without the last one there is no backup.
 */
export class Remote implements Destination {
  readonly name: string;
  /** Whether nothing lies above it: a whole bucket. */
  readonly isRoot: boolean;
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
    this.name = store.name;
    this.isRoot = /^(s3:\/\/[^/]+|rclone:[^:]+:)$/.test(store.name);
  }

  refuseUnready(): void {
    // A destination that is down must not prevent the backup: whatever is wrong with it is told by the upload.
    this.#store.refuseUnready();
  }

  async deliver(shipment: Shipment, context: TransferContext): Promise<Delivery> {
    const { backupId, directory, project } = shipment;
    const files = await sealedFiles(directory);
    const folder = folderOf(project, backupId);
    try {
      const stored: (StoredFile & { readonly name: string })[] = [];
      for (const name of files) {
        const file = { path: join(directory, name), sha256: shipment.sha256.get(name) };
        const one = await this.#store.putFile(folder + name, file, context);
        context.reporter.info(`${name}: ${formatBytes(one.bytes)}, proven by ${one.proof}`);
        stored.push({ ...one, name });
      }
      const text = formatChecksums(stored);
      const { signer } = shipment;
      if (signer !== undefined) await putSignature(this.#store, folder, text, signer, context);
      await this.#store.putText(folder + checksumsFile, text, context);
      return {
        name: folder.slice(0, -1),
        id: undefined,
        bytes: stored.reduce((sum, { bytes }) => sum + bytes, 0),
        sha256: sha256Hex(text),
        proof: proofs.find((proof) => stored.some((one) => one.proof === proof)) ?? "read",
      };
    } catch (error) {
      throw this.#uploadFailure(error, context);
    }
  }

  /**
   * Makes the locks of a backup's files hold at least as long as those of what is sent now: what is made from it is worth
   * nothing without it.
   *
   * @throws UploadFailedError.
   */
  async lengthenLocks(project: string, id: string, context: TransferContext): Promise<void> {
    try {
      await this.#store.lengthenLocks?.(folderOf(project, id), context);
    } catch (error) {
      throw this.#uploadFailure(error, context);
    }
  }

  /** The complete backups, also of other projects if none is named. */
  async list(project: string | undefined, context: TransferContext): Promise<ListedRemote[]> {
    const prefix = project === undefined ? "" : `${project}/backups/`;
    const found = new Map<string, ListedRemote & { isComplete: boolean }>();
    for (const { key, bytes } of await this.#store.list(prefix, context)) {
      const [, of = "", id = "", file = ""] =
        /^([^/]+)\/backups\/([^/]+)\/([^/]+)$/.exec(key) ?? [];
      if (file === "") continue;
      const folder = folderOf(of, id);
      const before = found.get(folder) ?? { project: of, id, bytes: 0, isComplete: false };
      const isComplete = before.isComplete || file === checksumsFile;
      found.set(folder, { ...before, bytes: before.bytes + bytes, isComplete });
    }
    return [...found.values()]
      .filter(({ isComplete }) => isComplete)
      .map(({ project: of, id, bytes }) => ({ project: of, id, bytes }));
  }

  /**
   * Opens a complete backup. Of an overwritten `SHA256SUMS` the oldest version counts that a trusted key has signed, else
   * the oldest: whoever may only add cannot change it.
   *
   * @param trusted - public keys as in `.pub` files
   * @throws RefusedError (class `no-backup`) if there is none, DamagedError for an unreadable `SHA256SUMS`.
   */
  async open(
    project: string,
    id: string,
    context: TransferContext,
    trusted: readonly string[] = [],
  ): Promise<RemoteBackup> {
    const folder = folderOf(project, id);
    const objects = await this.#store.versions(folder, context);
    const sums = await readSignedList(this.#store, folder, objects, trusted, context);
    if (sums === undefined) {
      const begun = objects.length > 0 ? ": its upload has not ended" : "";
      throw new RefusedError(`backup: ${this.name} has no complete backup ${id}${begun}`, {
        class: "no-backup",
        hint: `run \`sophon-keeper list --backup ${this.name}\` to see all backups there`,
      });
    }
    const listed = readable(() => parseChecksums(sums.text));
    const files = [...listed].map(([name, sha256]): RemoteFile => {
      const candidates = objects.filter(({ key }) => key === folder + name);
      return { name, sha256, candidates, bytes: candidates[0]?.bytes ?? 0 };
    });
    return { project, id, files, signer: sums.signer };
  }

  /**
   * Reads a file to its end and keeps nothing.
   *
   * @returns whether a version of it has the listed SHA-256.
   */
  async check(file: RemoteFile, context: TransferContext): Promise<boolean> {
    for (const candidate of file.candidates) {
      const hash = createHash("sha256");
      for await (const chunk of this.#store.read(candidate, 0, context)) hash.update(chunk);
      if (hash.digest("hex") === file.sha256) return true;
    }
    return false;
  }

  /**
   * Downloads a file. What an earlier, interrupted download left at the path is continued.
   *
   * @throws DamagedError if no version of the file has the listed SHA-256.
   */
  async fetch(file: RemoteFile, path: string, context: TransferContext): Promise<void> {
    for (const candidate of file.candidates) {
      const there = await stat(path).then(
        ({ size }) => Math.min(size, candidate.bytes),
        () => 0,
      );
      for (const from of there > 0 ? [there, 0] : [0]) {
        if ((await this.#download(candidate, path, from, context)) === file.sha256) return;
      }
    }
    throw new DamagedError(
      file.candidates.length === 0
        ? `${this.name}: ${file.name} is missing`
        : `${this.name}: ${file.name} is not what was uploaded: its SHA-256 differs`,
    );
  }

  /**
   * Removes a backup, `SHA256SUMS` first: from then on there is none. If that file stays, every file stays.
   */
  async remove(project: string, id: string, context: TransferContext): Promise<Removal> {
    const folder = folderOf(project, id);
    const first = await this.#store.remove(folder + checksumsFile, context);
    if (!first.isRemoved) return first;
    const keys = new Set((await this.#store.list(folder, context)).map(({ key }) => key));
    for (const key of keys) {
      const { isRemoved } = await this.#store.remove(key, context);
      if (!isRemoved) context.reporter.info(`${key} could not be removed and takes space`);
    }
    return { isRemoved: true };
  }

  #uploadFailure(error: unknown, { signal }: TransferContext): UploadFailedError {
    signal.throwIfAborted();
    if (error instanceof RefusedError) return asUploadFailure(error);
    if (error instanceof UploadFailedError) return error;
    return new UploadFailedError(`${this.name}: ${describeError(error)}`, { cause: error });
  }

  async #download(
    object: StoredObject,
    path: string,
    from: number,
    context: TransferContext,
  ): Promise<string> {
    await using handle = await open(path, from === 0 ? "w" : "r+", 0o600);
    const hash = createHash("sha256");
    if (from > 0) {
      const kept = handle.createReadStream({ start: 0, end: from - 1, autoClose: false });
      for await (const chunk of kept) hash.update(chunk as Buffer);
      context.reporter.info(`${object.key}: ${formatBytes(from)} are here already`);
    }
    let at = from;
    for await (const chunk of this.#store.read(object, from, context)) {
      hash.update(chunk);
      await handle.write(chunk, 0, chunk.length, at);
      at += chunk.length;
      context.reporter.progress(object.key, { bytes: at, of: object.bytes });
    }
    await handle.truncate(at);
    await handle.sync();
    return hash.digest("hex");
  }
}

function folderOf(project: string, id: string): string {
  return `${project}/backups/${id}/`;
}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new DamagedError(describeError(cause), { cause });
  }
}
