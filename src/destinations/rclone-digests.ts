import { createHash } from "node:crypto";
import { UploadFailedError } from "../core/errors.ts";
import { openRegularFile } from "../core/regular-file.ts";
import type { LocalFile, TransferContext } from "./object-store.ts";

/** Digests that destinations compute, the best first. Dropbox and OneDrive have ones of their own. */
export const algorithms = ["sha256", "sha1", "md5"] as const;
/** One of {@link algorithms}. */
export type Algorithm = (typeof algorithms)[number];

/** What a file holds, as read here. */
export interface FileDigests {
  readonly bytes: number;
  readonly sha256: string;
  /** The digest by which the destination itself can tell it. */
  readonly own: { readonly algorithm: Algorithm; readonly hex: string } | undefined;
}

/** Reads a file for its digests. @throws UploadFailedError if it is not what its manifest says. */
export async function digestOf(
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
