import { join } from "node:path";
import { KeeperError, UnverifiableError, UploadFailedError } from "../../core/errors.ts";
import { sha256Hex } from "../../core/hash.ts";
import type {
  LocalFile,
  ObjectStore,
  Removal,
  StoredFile,
  StoredObject,
  TransferContext,
} from "../object-store.ts";
import { failureAdvice } from "./advice.ts";
import {
  connectS3,
  endpointOfEnvironment,
  profileOfEnvironment,
  refuseInsecure,
  type S3Connection,
  type S3Settings,
} from "./connection.ts";
import { usualPartBytes } from "./file-parts.ts";
import { lengthenLock } from "./lengthen-lock.ts";
import { Pace } from "./pace.ts";
import type { PutPlace } from "./place.ts";
import { type ObjectLock, type ServerPromises, serverPromises } from "./promises.ts";
import { putFile, putText } from "./put-file.ts";
import { formatS3Address, type S3Address } from "./s3-address.ts";
import { CutOffListError, failureKind, failureText, NoS3Error } from "./server-error.ts";

/** A place in a bucket, and how it is used. */
interface S3Options extends S3Settings {
  readonly address: S3Address;
  /** Bytes a second for all uploads together. */
  readonly limit: number | undefined;
  readonly lock: ObjectLock | undefined;
  /** Of a file of usual size, in bytes; undefined: what is fast and needs little memory. */
  readonly partBytes: number | undefined;
  /** A directory for what is known of servers; undefined: ask each time. */
  readonly memory: string | undefined;
}

/** Objects below a prefix of an S3 bucket. */
export class S3Store implements ObjectStore {
  readonly name: string;
  readonly #options: S3Options;
  readonly #pace: Pace | undefined;
  #connecting: Promise<S3Connection> | undefined;
  #asking: Promise<ServerPromises> | undefined;

  constructor(options: S3Options) {
    this.#options = { ...options, endpoint: options.endpoint ?? endpointOfEnvironment() };
    this.name = formatS3Address(options.address);
    this.#pace = options.limit === undefined ? undefined : new Pace(options.limit);
  }

  refuseUnready(): void {
    const { endpoint } = this.#options;
    if (endpoint !== undefined) refuseInsecure(new URL(endpoint));
  }

  async putFile(key: string, file: LocalFile, context: TransferContext): Promise<StoredFile> {
    return await this.#uploading(context, async () =>
      putFile(await this.#place(key, context), file, context),
    );
  }

  async putText(key: string, text: string, context: TransferContext): Promise<void> {
    await this.#uploading(context, async () =>
      putText(await this.#place(key, context), text, context),
    );
  }

  async list(prefix: string, context: TransferContext): Promise<readonly StoredObject[]> {
    return await this.#reading(context, async ({ sdk, client, send }) => {
      const found: StoredObject[] = [];
      for (let token: string | undefined; ; ) {
        const page = await send(
          () =>
            client.send(
              new sdk.ListObjectsV2Command({
                ...{ Bucket: this.#bucket, Prefix: this.#key(prefix) },
                ...(token === undefined ? {} : { ContinuationToken: token }),
              }),
            ),
          context,
        );
        if (page.IsTruncated === undefined) throw new NoS3Error();
        for (const { Key = "", Size = 0 } of page.Contents ?? []) {
          found.push({ key: this.#own(Key), bytes: Size });
        }
        if (!page.IsTruncated) return found;
        token = page.NextContinuationToken;
        if (token === undefined) throw new CutOffListError();
      }
    });
  }

  async versions(prefix: string, context: TransferContext): Promise<readonly StoredObject[]> {
    const found = await this.#reading(context, async (connection) => {
      try {
        return await this.#versions(connection, prefix, context);
      } catch (error) {
        // Not every server has versions, and not every reader may see them.
        if (["unsupported", "denied"].includes(failureKind(error))) return undefined;
        throw error;
      }
    });
    return found ?? (await this.list(prefix, context));
  }

  async *read(
    object: StoredObject,
    from: number,
    context: TransferContext,
  ): AsyncIterable<Uint8Array> {
    let at = from;
    while (at < object.bytes) {
      const before = at;
      const { body, from: begin } = await this.#open(object, at, context);
      let skipped = at - begin;
      try {
        for await (const chunk of body) {
          context.signal.throwIfAborted();
          const fresh = chunk.subarray(Math.min(skipped, chunk.length));
          skipped -= chunk.length - fresh.length;
          if (fresh.length === 0) continue;
          at += fresh.length;
          yield fresh;
        }
      } catch (error) {
        context.signal.throwIfAborted();
        if (failureKind(error) !== "transient") throw this.#unreadable(error);
      }
      if (at === before) {
        // Whatever is told of its size, nothing more comes.
        throw this.#unreadable(new Error(`${object.key} ends after ${at} bytes`));
      }
    }
  }

  async lengthenLocks(prefix: string, context: TransferContext): Promise<void> {
    const { lock } = this.#options;
    if (lock === undefined) return;
    await this.#uploading(context, async () => {
      const connection = await this.#connection(context);
      const place = { bucket: this.#bucket, lock };
      for (const { key, version } of await this.versions(prefix, context)) {
        await lengthenLock(connection, { ...place, key: this.#key(key), version }, context);
      }
    });
  }

  async remove(key: string, context: TransferContext): Promise<Removal> {
    return await this.#reading(context, async (connection) => {
      const { sdk, client, send } = connection;
      const Key = this.#key(key);
      const until = await this.#lockedUntil(connection, Key, context);
      if (until !== undefined) return { isRemoved: false, why: `locked until ${until}` };
      const versions = await this.versions(key, context);
      const own = versions.filter((one) => one.key === key);
      try {
        for (const { version } of own.length === 0 ? [{ version: undefined }] : own) {
          const which = { Bucket: this.#bucket, Key };
          const of = version === undefined ? which : { ...which, VersionId: version };
          await send(() => client.send(new sdk.DeleteObjectCommand(of)), context);
        }
        return { isRemoved: true };
      } catch (error) {
        if (failureKind(error) !== "denied") throw error;
        return { isRemoved: false, why: "the server does not let these credentials remove it" };
      }
    });
  }

  get #bucket(): string {
    return this.#options.address.bucket;
  }

  #key(key: string): string {
    const { prefix } = this.#options.address;
    return prefix === "" ? key : `${prefix}/${key}`;
  }

  #own(key: string): string {
    const { prefix } = this.#options.address;
    return prefix === "" ? key : key.slice(prefix.length + 1);
  }

  async #connection(context: TransferContext): Promise<S3Connection> {
    this.#connecting ??= connectS3(this.#options, context);
    return await this.#connecting;
  }

  async #place(key: string, context: TransferContext): Promise<PutPlace> {
    const connection = await this.#connection(context);
    const { address, endpoint = "", lock, memory } = this.#options;
    const server = `${endpoint} ${profileOfEnvironment()}`.trimEnd();
    const id = sha256Hex(`${server} ${formatS3Address(address)}`).slice(0, 16);
    const file = memory === undefined ? undefined : join(memory, `${id}.json`);
    this.#asking ??= serverPromises(connection, { ...address, file }, lock, context);
    const promises = await this.#asking;
    const pace = this.#pace;
    const { partBytes = usualPartBytes } = this.#options;
    const { bucket } = address;
    return { connection, bucket, key: this.#key(key), promises, lock, pace, partBytes };
  }

  /** @returns the content, and where it begins: some servers send all of it, whatever is asked for. */
  async #open(object: StoredObject, from: number, context: TransferContext) {
    return await this.#reading(context, async ({ sdk, client, send }) => {
      const { Body, ContentRange } = await send(
        () =>
          client.send(
            new sdk.GetObjectCommand({
              ...{ Bucket: this.#bucket, Key: this.#key(object.key) },
              ...(object.version === undefined ? {} : { VersionId: object.version }),
              ...(from === 0 ? {} : { Range: `bytes=${from}-` }),
            }),
            { abortSignal: context.signal },
          ),
        context,
      );
      const body = Body as unknown as AsyncIterable<Uint8Array>;
      return { body, from: ContentRange === undefined ? 0 : from };
    });
  }

  async #versions(
    { sdk, client, send }: S3Connection,
    prefix: string,
    context: TransferContext,
  ): Promise<StoredObject[]> {
    const found: (StoredObject & { readonly atMs: number })[] = [];
    for (let next: { KeyMarker?: string; VersionIdMarker?: string } = {}; ; ) {
      const about = { Bucket: this.#bucket, Prefix: this.#key(prefix), ...next };
      const page = await send(() => client.send(new sdk.ListObjectVersionsCommand(about)), context);
      if (page.IsTruncated === undefined) throw new NoS3Error();
      for (const { Key = "", Size = 0, VersionId, LastModified } of page.Versions ?? []) {
        const isVersion = VersionId !== undefined && VersionId !== "null";
        const version = isVersion ? { version: VersionId } : {};
        const atMs = LastModified?.getTime() ?? 0;
        found.push({ key: this.#own(Key), bytes: Size, atMs, ...version });
      }
      if (!page.IsTruncated) break;
      if (page.NextKeyMarker === undefined) throw new CutOffListError();
      next = {
        KeyMarker: page.NextKeyMarker,
        ...(page.NextVersionIdMarker === undefined
          ? {}
          : { VersionIdMarker: page.NextVersionIdMarker }),
      };
    }
    // Listed are the newest first, and times have no fractions everywhere: a stable sort keeps the order of equal ones.
    return found.toReversed().toSorted((a, b) => a.atMs - b.atMs);
  }

  async #lockedUntil(
    { sdk, client, send }: S3Connection,
    Key: string,
    context: TransferContext,
  ): Promise<string | undefined> {
    try {
      const head = await send(
        () => client.send(new sdk.HeadObjectCommand({ Bucket: this.#bucket, Key })),
        context,
      );
      const until = head.ObjectLockRetainUntilDate;
      const isLocked = until !== undefined && until.getTime() > context.clock.now().getTime();
      return isLocked ? until.toISOString().slice(0, 10) : undefined;
    } catch (error) {
      if (["missing", "denied"].includes(failureKind(error))) return undefined;
      throw error;
    }
  }

  async #uploading<T>({ signal }: TransferContext, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof KeeperError) throw error;
      throw new UploadFailedError(`${this.name}: ${failureText(error)}`, {
        ...failureAdvice(error, this.#bucket),
        cause: error,
      });
    }
  }

  async #reading<T>(
    context: TransferContext,
    work: (connection: S3Connection) => Promise<T>,
  ): Promise<T> {
    try {
      return await work(await this.#connection(context));
    } catch (error) {
      context.signal.throwIfAborted();
      throw error instanceof KeeperError ? error : this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): UnverifiableError {
    return new UnverifiableError(`${this.name} cannot be read: ${failureText(error)}`, {
      ...failureAdvice(error, this.#bucket),
      cause: error,
    });
  }
}
