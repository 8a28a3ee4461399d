import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import {
  asUploadFailure,
  KeeperError,
  RefusedError,
  UnverifiableError,
  UploadFailedError,
} from "../core/errors.ts";
import { ExecError, spawnStream } from "../core/exec.ts";
import { sha256Hex } from "../core/hash.ts";
import { temporaryDirectory } from "../core/temp.ts";
import type {
  LocalFile,
  ObjectStore,
  Removal,
  StoredFile,
  StoredObject,
  TransferContext,
} from "./object-store.ts";
import { type Algorithm, algorithms, digestOf, type FileDigests } from "./rclone-digests.ts";
import {
  adviceOf,
  isTransient,
  notThere,
  type RclonePatience,
  rcloneFlags,
  runRclone,
  textOf,
} from "./rclone-program.ts";

/** A place that `rclone` knows, and how it is used. */
interface RcloneOptions extends RclonePatience {
  /** `REMOTE:PATH`; the remote is one of rclone's own configuration. */
  readonly place: string;
  /** Bytes a second. */
  readonly limit: number | undefined;
}

/** What a destination can do. */
interface Abilities {
  /** The best digest that it computes itself; undefined if it has none that is known here. */
  readonly digest: Algorithm | undefined;
  /**
   * Whether others may see a part of a file while it comes, and it must be renamed into its place. Where rclone knows that,
   * it does so by itself; a destination that cannot rename (a store of objects) stores a file as a whole or not at all.
   */
  readonly isTorn: boolean;
}

/** What lies at a key and beside it. */
interface Seen {
  readonly bytes: number | undefined;
  /** What interrupted transfers of it have left. */
  readonly begun: readonly StoredObject[];
}

/** What a transfer that has not ended is called. rclone itself has the same names for its own. */
const begunName = /^(\.[0-9a-f]{8}\.partial)+$/;

/**
 * Objects below a path that the program `rclone` reaches: SFTP, WebDAV, Azure, Dropbox, Google Drive and many others.
 * Secrets stay in rclone's own configuration.
 */
export class RcloneStore implements ObjectStore {
  readonly name: string;
  readonly #options: RcloneOptions;
  #asking: Promise<Abilities> | undefined;

  constructor(options: RcloneOptions) {
    this.#options = options;
    this.name = `rclone:${options.place}`;
  }

  refuseUnready(): void {
    // biome-ignore lint/style/noProcessEnv: where programs are
    const folders = (process.env.PATH ?? "").split(delimiter);
    if (folders.some((folder) => folder !== "" && existsSync(join(folder, "rclone")))) return;
    throw new RefusedError("upload is rclone, but the program rclone is not on the PATH", {
      class: "no-rclone",
      hint: "Install rclone (a package of most distributions), and run `rclone config` as this user.",
    });
  }

  async putFile(key: string, file: LocalFile, context: TransferContext): Promise<StoredFile> {
    return await this.#uploading(context, async () => {
      const { digest: algorithm } = await this.#abilities(context);
      const digest = await digestOf(file, algorithm, context);
      const { bytes, sha256 } = digest;
      const there = await this.#look(key, context);
      const isSent =
        there.bytes === undefined &&
        ((await this.#takeBegun(key, there, digest, context)) ??
          (await this.#send(file.path, key, context)));
      const proof =
        there.bytes === undefined || there.bytes === bytes
          ? await this.#prove(key, digest, context)
          : undefined;
      if (proof !== undefined) {
        for (const one of there.begun) await this.#tidy(one.key, context);
        return { bytes, sha256, proof };
      }
      if (!isSent) throw differs(key);
      await this.remove(key, context);
      throw new UploadFailedError(`${key} is not what was sent`, { class: "upload-differs" });
    });
  }

  async putText(key: string, text: string, context: TransferContext): Promise<void> {
    await this.#uploading(context, async () => {
      const there = await this.#look(key, context);
      const digest = { bytes: Buffer.byteLength(text), sha256: sha256Hex(text), own: undefined };
      const isToSend =
        there.bytes === undefined &&
        (await this.#takeBegun(key, there, digest, context)) === undefined;
      if (isToSend) {
        await using temporary = await temporaryDirectory("sophon-keeper-rclone-");
        const path = join(temporary.path, "text");
        await writeFile(path, text);
        await this.#send(path, key, context);
      }
      const { stdout } = await this.#run(["cat", this.#at(key)], context);
      if (stdout !== text) throw differs(key);
      for (const one of there.begun) await this.#tidy(one.key, context);
    });
  }

  async list(prefix: string, context: TransferContext): Promise<readonly StoredObject[]> {
    const folder = prefix.replace(/\/$/, "");
    const flags = ["--recursive", "--files-only", "--no-mimetype", "--no-modtime"];
    const { stdout, exitCode } = await this.#reading(context, () =>
      this.#run(["lsjson", ...flags, this.#at(folder)], context, notThere),
    );
    if (exitCode !== 0) return [];
    const found = JSON.parse(stdout) as { readonly Path: string; readonly Size: number }[];
    return found.map(({ Path, Size }) => ({ key: `${prefix}${Path}`, bytes: Size }));
  }

  async versions(prefix: string, context: TransferContext): Promise<readonly StoredObject[]> {
    return await this.list(prefix, context);
  }

  async *read(
    object: StoredObject,
    from: number,
    context: TransferContext,
  ): AsyncIterable<Uint8Array> {
    const { signal } = context;
    // Asked for what begins behind the end, servers of HTTP refuse (416).
    if (from > 0 && from >= object.bytes) return;
    const args = ["cat", ...rcloneFlags(), "--offset", String(from), this.#at(object.key)];
    const program = spawnStream("rclone", args, { signal });
    try {
      for await (const chunk of program.stdout) yield chunk as Buffer;
      await program.done;
    } catch (error) {
      signal.throwIfAborted();
      await program.done.catch(() => undefined);
      throw this.#unreadable(error);
    }
  }

  async remove(key: string, context: TransferContext): Promise<Removal> {
    return await this.#reading(context, async () => {
      try {
        await this.#discard(key, context);
        return { isRemoved: true };
      } catch (error) {
        if (!/denied|forbidden|not permitted/i.test(textOf(error))) throw error;
        return { isRemoved: false, why: "the destination does not let this user remove it" };
      }
    });
  }

  #at(key: string): string {
    const { place } = this.#options;
    return key === "" ? place : /[:/]$/.test(place) ? place + key : `${place}/${key}`;
  }

  /**
   * Sends a file to a key where nothing is. A server that writes it in its place while it comes, as many of WebDAV do, would
   * leave a part of it there when the transfer is interrupted, and show it to others: it is sent beside, and renamed.
   *
   * @returns false if another writer was first, whose file stays.
   */
  async #send(path: string, key: string, context: TransferContext): Promise<boolean> {
    const { isTorn } = await this.#abilities(context);
    if (!isTorn) {
      await this.#copy(path, key, context);
      return true;
    }
    const beside = `${key}.${randomBytes(4).toString("hex")}.partial`;
    return await this.#moveIn(beside, key, context, () => this.#copy(path, beside, context));
  }

  /**
   * Takes a file that came whole before its transfer was interrupted.
   *
   * @returns undefined if there is no such file; false if another writer was first, whose file stays; else true.
   */
  async #takeBegun(
    key: string,
    { begun }: Seen,
    digest: FileDigests,
    context: TransferContext,
  ): Promise<boolean | undefined> {
    for (const one of begun.filter(({ bytes }) => bytes === digest.bytes)) {
      const proof = await this.#prove(one.key, digest, context).catch(() => {
        // Its own writer may rename or remove it meanwhile.
        context.signal.throwIfAborted();
        return undefined;
      });
      if (proof !== undefined) return await this.#moveIn(one.key, key, context);
    }
    return undefined;
  }

  async #moveIn(
    beside: string,
    key: string,
    context: TransferContext,
    bring: () => Promise<void> = async () => undefined,
  ): Promise<boolean> {
    try {
      await bring();
      // It renames what is there in spite of --immutable.
      await this.#run(["moveto", "--ignore-existing", this.#at(beside), this.#at(key)], context);
    } catch (error) {
      await this.#tidy(beside, context);
      // Another writer has finished meanwhile, and taken this for what was left of an earlier one.
      if ((await this.#look(key, context)).bytes === undefined) throw error;
      return false;
    }
    return !(await this.#discard(beside, context));
  }

  async #copy(path: string, key: string, context: TransferContext): Promise<void> {
    const { limit } = this.#options;
    const slow = limit === undefined ? [] : ["--bwlimit", `${limit}B`];
    const once = ["--immutable", "--no-traverse", ...slow];
    await this.#run(["copyto", ...once, path, this.#at(key)], context);
  }

  /** @returns whether it was there. */
  async #discard(key: string, context: TransferContext): Promise<boolean> {
    const { exitCode } = await this.#run(["deletefile", this.#at(key)], context, notThere);
    return exitCode === 0;
  }

  /** What another writer holds open may stay: it is removed with the next upload of the file, or with the backup. */
  async #tidy(key: string, context: TransferContext): Promise<void> {
    await this.#discard(key, context).catch(() => context.signal.throwIfAborted());
  }

  async #look(key: string, context: TransferContext): Promise<Seen> {
    const at = key.lastIndexOf("/") + 1;
    const listed = await this.list(key.slice(0, at), context);
    const isBegun = (one: StoredObject) =>
      one.key.startsWith(key) && begunName.test(one.key.slice(key.length));
    return {
      bytes: listed.find((one) => one.key === key)?.bytes,
      begun: listed.filter(isBegun),
    };
  }

  /** By a digest of the destination itself where it has one, else by what is read back; undefined if it is not this file. */
  async #prove(key: string, digest: FileDigests, context: TransferContext) {
    const own = digest.own;
    if (own !== undefined) {
      const told = await this.#hashsum(key, own.algorithm, [], context).catch((error: unknown) => {
        // It may tell that it has this digest, and not have it of this file.
        if (!(error instanceof ExecError) || isTransient(error)) throw error;
        return undefined;
      });
      if (told !== undefined) {
        if (told !== own.hex) return undefined;
        return own.algorithm === "sha256" ? "sha256" : "etag";
      }
    }
    const read = await this.#hashsum(key, "sha256", ["--download"], context);
    return read === digest.sha256 ? "read" : undefined;
  }

  async #hashsum(
    key: string,
    algorithm: Algorithm,
    how: readonly string[],
    context: TransferContext,
  ): Promise<string | undefined> {
    const { stdout } = await this.#run(["hashsum", algorithm, ...how, this.#at(key)], context);
    return /^([0-9a-f]{32,64}) /m.exec(stdout)?.[1];
  }

  async #abilities(context: TransferContext): Promise<Abilities> {
    this.#asking ??= this.#run(["backend", "features", this.#options.place], context).then(
      ({ stdout }) => {
        const { Hashes, Features } = JSON.parse(stdout) as {
          readonly Hashes?: readonly string[] | null;
          readonly Features?: { readonly Move?: boolean; readonly PartialUploads?: boolean };
        };
        const digest = algorithms.find((one) => Hashes?.includes(one));
        const isTorn = Features?.Move === true && Features.PartialUploads !== true;
        return { digest, isTorn };
      },
    );
    try {
      return await this.#asking;
    } catch (error) {
      this.#asking = undefined;
      context.signal.throwIfAborted();
      if (isTransient(error)) throw error;
      // Versions before it cannot tell: what is there is read back.
      return { digest: undefined, isTorn: false };
    }
  }

  async #run(args: readonly string[], context: TransferContext, okCodes: readonly number[] = []) {
    return await runRclone(args, context, { ...this.#options, okCodes });
  }

  async #uploading<T>({ signal }: TransferContext, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UnverifiableError) throw asUploadFailure(error);
      if (error instanceof KeeperError) throw error;
      throw new UploadFailedError(`${this.name}: ${textOf(error)}`, {
        ...adviceOf(error),
        cause: error,
      });
    }
  }

  async #reading<T>({ signal }: TransferContext, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof KeeperError ? error : this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): UnverifiableError {
    return new UnverifiableError(`${this.name} cannot be read: ${textOf(error)}`, {
      ...adviceOf(error),
      cause: error,
    });
  }
}

function differs(key: string): UploadFailedError {
  return new UploadFailedError(`${key} is already there with other content`, {
    class: "upload-differs",
    hint: "Nothing was overwritten. Find out who wrote it, or give another upload-to.",
  });
}
