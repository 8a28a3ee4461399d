import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { newSignKey, type SignKey } from "../../../src/core/ssh-signature.ts";
import type { Shipment } from "../../../src/destinations/destination.ts";
import type { TransferContext } from "../../../src/destinations/object-store.ts";
import type { Remote } from "../../../src/destinations/remote.ts";
import type { S3Store } from "../../../src/destinations/s3/s3-store.ts";

/** What an S3 store is made of. */
export type S3Options = ConstructorParameters<typeof S3Store>[0];

/** A real or made destination, as the conformance suite needs it. */
export interface Subject extends AsyncDisposable {
  /** A remote of its own below this prefix. */
  remote(prefix: string, options?: Partial<S3Options>): Remote;
  /** The current content of a key below a prefix, as a second reader sees it. */
  content(prefix: string, key: string): Promise<Buffer | undefined>;
  /** Changes one byte of an object, as a disk does. */
  damage(prefix: string, key: string): Promise<void>;
  /** The size of the parts of a large file: several MiB, so that a file of several parts is no burden. */
  readonly partMebibytes: number;
  /** Where a proxy is put before; undefined for what is not reached over HTTP. */
  readonly endpoint: string | undefined;
}

export const magic = "age-encryption.org/v1\n";

/** Minutes pass at once: what waits for a server that is down need not be waited for. */
export function hurriedClock(): Clock {
  let ahead = 0;
  return {
    now: () => systemClock.now(),
    monotonicMs: () => performance.now() + ahead,
    sleep: async (ms, signal) => {
      ahead += ms;
      await systemClock.sleep(1, signal);
    },
  };
}

/** The tools of a transfer, and what it told. */
export function transferContext(
  signal: AbortSignal = new AbortController().signal,
): TransferContext & { readonly told: string[] } {
  const told: string[] = [];
  const reporter = { ...silentReporter, info: (line: string) => void told.push(line) };
  return { reporter, clock: hurriedClock(), signal, told };
}

/** A backup's directory with sealed files. */
export interface MadeBackup extends AsyncDisposable {
  readonly id: string;
  readonly directory: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

let made = 0;

/** A backup with a small file and one of some MiB. */
export async function madeBackup(mebibytes = 1): Promise<MadeBackup> {
  const parent = await mkdtemp(join(tmpdir(), "sophon-keeper-remote-"));
  made += 1;
  const id = `stack-2026030${made % 10}T021700Z-${randomBytes(2).toString("hex")}`;
  const directory = join(parent, id);
  await mkdir(directory);
  const block = randomBytes(2 ** 20);
  const files = new Map([
    ["data.tar.zst.age", Buffer.concat([Buffer.from(magic), ...Array(mebibytes).fill(block)])],
    ["manifest.json.age", Buffer.from(`${magic}sealed ${id}`)],
  ]);
  // No two parts are the same.
  const data = files.get("data.tar.zst.age") as Buffer;
  for (let at = 100; at < data.length; at += 2 ** 20) data.writeUInt32BE(at, at);
  for (const [name, content] of files) await writeFile(join(directory, name), content);
  await writeFile(join(directory, "manifest.json"), '{"plain":"not to leave"}');
  const dispose = () => rm(parent, { recursive: true, force: true });
  return { id, directory, files, [Symbol.asyncDispose]: dispose };
}

/** The key of the host that sends the backups of the tests. */
export const hostKey = newSignKey();

/** The shipment of a made backup. */
export async function shipmentOf(
  { id, directory }: MadeBackup,
  project = "stack",
  signer: SignKey | undefined = hostKey,
): Promise<Shipment> {
  const data = await readFile(join(directory, "data.tar.zst.age"));
  const sha256 = new Map([["data.tar.zst.age", createHash("sha256").update(data).digest("hex")]]);
  const name = undefined;
  return { backupId: id, project, directory, sha256, signer, name, retentionDays: undefined };
}
