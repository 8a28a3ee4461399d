import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { withBackOff } from "../core/back-off.ts";
import { KeeperError, RefusedError, UnverifiableError, UploadFailedError } from "../core/errors.ts";
import { ExecError, run, spawnStream } from "../core/exec.ts";
import { formatSeconds } from "../core/format.ts";
import { openRegularFile } from "../core/regular-file.ts";
import { temporaryDirectory } from "../core/temp.ts";
import type {
  LocalFile,
  ObjectStore,
  Removal,
  StoredFile,
  StoredObject,
  TransferContext,
} from "./object-store.ts";

/** A place that `rclone` knows, and how it is used. */
interface RcloneOptions {
  /** `REMOTE:PATH`; the remote is one of rclone's own configuration. */
  readonly place: string;
  /** Bytes a second. */
  readonly limit: number | undefined;
  readonly retryForMs: number;
  /** How long what sends no file may take, such as a list; default 10 minutes. */
  readonly answerMs?: number;
}

const usualAnswerMs = 600_000;

/** Digests that destinations compute, the best first. Dropbox and OneDrive have ones of their own. */
const algorithms = ["sha256", "sha1", "md5"] as const;
type Algorithm = (typeof algorithms)[number];

/** What a file holds, as read here. */
interface FileDigests {
  readonly bytes: number;
  readonly sha256: string;
  /** The digest by which the destination itself can tell it. */
  readonly own: { readonly algorithm: Algorithm; readonly hex: string } | undefined;
}

/** Exit codes of rclone: the directory, or the file, is not there. */
const notThere = [3, 4];
const network =
  /timed? ?out|connection|refused|reset by|temporar|no such host|unreachable|unexpected EOF|too many requests|\b(429|50[0-4])\b/i;

/**
 * Parses `rclone:REMOTE:PATH`.
 *
 * @returns `REMOTE:PATH`.
 * @throws RefusedError for another form; a backend with its options in the text would show a password to everybody.
 */
export function parseRcloneAddress(input: string, text: string): string {
  const [, place = ""] = /^rclone:([\w.+@ ]?[\w.+@ -]*:[^\0\r\n]*)$/.exec(text) ?? [];
  if (place !== "" && /^[\w.+@]/.test(place)) return place.replace(/\/+$/, "");
  throw new RefusedError(
    `${input} is not rclone:REMOTE:PATH: give the name of a remote that \`rclone config\` made`,
    { class: "input" },
  );
}

/**
 * Objects below a path that the program `rclone` reaches: SFTP, WebDAV, Azure, Dropbox, Google Drive and many others.
 * Secrets stay in rclone's own configuration.
 */
export class RcloneStore implements ObjectStore {
  readonly name: string;
  readonly #options: RcloneOptions;
  #asking: Promise<Algorithm | undefined> | undefined;

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
      const digest = await digestOf(file, await this.#ownDigest(context), context);
      const { bytes, sha256 } = digest;
      const there = await this.#size(key, context);
      if (there === undefined) await this.#copy(file.path, key, context);
      const proof =
        there === undefined || there === bytes
          ? await this.#prove(key, digest, context)
          : undefined;
      if (proof !== undefined) return { bytes, sha256, proof };
      if (there !== undefined) throw differs(key);
      await this.remove(key, context);
      throw new UploadFailedError(`${key} is not what was sent`, { class: "upload-differs" });
    });
  }

  async putText(key: string, text: string, context: TransferContext): Promise<void> {
    await this.#uploading(context, async () => {
      if ((await this.#size(key, context)) === undefined) {
        await using temporary = await temporaryDirectory("sophon-keeper-rclone-");
        const path = join(temporary.path, "text");
        await writeFile(path, text);
        await this.#copy(path, key, context);
      }
      const { stdout } = await this.#run(["cat", this.#at(key)], context);
      if (stdout !== text) throw differs(key);
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
    const args = ["cat", ...flagsFor(), "--offset", String(from), this.#at(object.key)];
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
        await this.#run(["deletefile", this.#at(key)], context, [0, ...notThere]);
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

  async #copy(path: string, key: string, context: TransferContext): Promise<void> {
    const { limit } = this.#options;
    const slow = limit === undefined ? [] : ["--bwlimit", `${limit}B`];
    const once = ["--immutable", "--no-traverse", ...slow];
    await this.#run(["copyto", ...once, path, this.#at(key)], context);
  }

  async #size(key: string, context: TransferContext): Promise<number | undefined> {
    const at = key.lastIndexOf("/") + 1;
    const listed = await this.list(key.slice(0, at), context);
    return listed.find((one) => one.key === key)?.bytes;
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

  /** The best digest that the destination computes itself; undefined if it has none that is known here. */
  async #ownDigest(context: TransferContext): Promise<Algorithm | undefined> {
    this.#asking ??= this.#run(["backend", "features", this.#options.place], context).then(
      ({ stdout }) => {
        const { Hashes = [] } = JSON.parse(stdout) as {
          readonly Hashes?: readonly string[] | null;
        };
        return algorithms.find((one) => Hashes?.includes(one));
      },
    );
    try {
      return await this.#asking;
    } catch (error) {
      this.#asking = undefined;
      context.signal.throwIfAborted();
      if (isTransient(error)) throw error;
      // Versions before it cannot tell: what is there is read back.
      return undefined;
    }
  }

  async #run(args: readonly string[], context: TransferContext, okCodes: readonly number[] = []) {
    const { clock, signal, reporter } = context;
    const [command = "", ...rest] = args;
    // What moves a file may take hours; rclone itself ends it when nothing moves.
    const moves = command === "copyto" || rest.includes("--download");
    const limit = moves ? {} : { timeoutMs: this.#options.answerMs ?? usualAnswerMs };
    const ended = { signal, okCodes: [0, ...okCodes], ...limit };
    return await withBackOff(() => run("rclone", [command, ...flagsFor(), ...rest], ended), {
      ...{ clock, signal, forMs: this.#options.retryForMs },
      isTransient: (error) => isTransient(error),
      tell: (error, waitMs) =>
        reporter.info(`${textOf(error)}; trying again in ${formatSeconds(waitMs / 1000)}`),
    });
  }

  async #uploading<T>({ signal }: TransferContext, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof KeeperError && !(error instanceof UnverifiableError)) throw error;
      throw new UploadFailedError(`${this.name}: ${textOf(error)}`, {
        class: isTransient(error) ? "unreachable" : "remote",
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
      class: isTransient(error) ? "unreachable" : "remote",
      cause: error,
    });
  }
}

/**
 * Nobody is there to be asked for a password. A server that no longer answers is given up after some minutes: by itself
 * rclone waits five minutes, twenty times.
 */
function flagsFor(): string[] {
  const limits = ["--contimeout=30s", "--timeout=2m", "--low-level-retries=3"];
  return ["--ask-password=false", "--retries=2", "--stats=0", ...limits];
}

function isTransient(error: unknown): boolean {
  // 5: rclone itself says that trying again may help.
  if (!(error instanceof ExecError)) return false;
  return error.exitCode === 5 || error.timedOut || network.test(error.stderr);
}

/** The last line that rclone wrote, without its time. */
function textOf(error: unknown): string {
  if (error instanceof ExecError && error.timedOut) return "rclone did not answer in time";
  const text = error instanceof ExecError ? error.stderr : String(error);
  const last = text.trim().split("\n").at(-1) ?? "";
  return last.replace(/^[\d/]+ [\d:]+ /, "") || String(error);
}

function differs(key: string): UploadFailedError {
  return new UploadFailedError(`${key} is already there with other content`, {
    class: "upload-differs",
    hint: "Nothing was overwritten. Find out who wrote it, or give another upload-to.",
  });
}

/** @throws UploadFailedError if the file is not what its manifest says. */
async function digestOf(
  file: LocalFile,
  algorithm: Algorithm | undefined,
  { signal }: TransferContext,
): Promise<FileDigests> {
  await using handle = await openRegularFile(file.path);
  const hash = createHash("sha256");
  const other = algorithm === undefined ? undefined : createHash(algorithm);
  let bytes = 0;
  for await (const chunk of handle.createReadStream({ highWaterMark: 2 ** 20, autoClose: false })) {
    signal.throwIfAborted();
    bytes += (chunk as Buffer).length;
    hash.update(chunk as Buffer);
    other?.update(chunk as Buffer);
  }
  const sha256 = hash.digest("hex");
  const hex = other?.digest("hex") ?? "";
  const own = algorithm === undefined ? undefined : { algorithm, hex };
  if (file.sha256 === undefined || file.sha256 === sha256) return { bytes, sha256, own };
  throw new UploadFailedError(`${file.path} is not what its manifest says`, {
    class: "damaged",
    hint: "The backup on this host is damaged: run `sophon-keeper verify`, and make a new one.",
  });
}
