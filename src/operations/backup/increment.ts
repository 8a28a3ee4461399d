import { randomBytes, scryptSync } from "node:crypto";
import { copyFile, link, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type IndexFacts, readIndexFacts } from "../../archive/delta/index-file.ts";
import { measureDelta } from "../../archive/delta/merge-delta.ts";
import { readArchive } from "../../archive/read-archive.ts";
import { BackupFailedError } from "../../core/errors.ts";
import { sha256Hex } from "../../core/hash.ts";
import { type ChainMember, mayBeParent, nextBackup } from "../../model/chain.ts";
import type { Component, ComponentBase, Manifest } from "../../model/manifest.ts";
import { marked } from "../../model/marks.ts";
import type { Check } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import { checkChecksums } from "../../repository/checksum.ts";
import { ProvenSums } from "../../repository/proven-sums.ts";
import type { Repository, StoredBackup } from "../../repository/repository.ts";
import { revokeChain } from "../../repository/revoke-chain.ts";
import { indexPaths, membersName } from "../../stores/component-index.ts";
import { ownRequest, type SourceOptions } from "../../stores/reader.ts";
import type { IncrementalOptions } from "../../stores/store.ts";
import type { Session } from "../session/session.ts";

/** How a backup with `incremental` is made. */
export interface Increment {
  readonly parent: NonNullable<Manifest["parent"]> | null;
  /** The parent and all that it needs. */
  readonly ancestors: readonly string[];
  readonly serial: number;
  readonly options: IncrementalOptions;
  /** Why it is a full backup. */
  readonly why?: string;
}

/** The file beside a backup's indexes with the sums of its files. No component has such a name. */
const provenName = "+proven";

type IncrementSession = Pick<Session, "repository" | "dependencies" | "options">;

/** The backups made with `incremental`, newest first. */
export function chainOf(backups: readonly StoredBackup[]): ChainMember[] {
  return backups.flatMap(({ id, manifest, ancestors = [], bytes, problem, marks }) => {
    const { serial } = manifest ?? {};
    if (serial === undefined) return [];
    const failure = marks?.level === null ? (marks.failure ?? "it was not verified") : undefined;
    return [{ id, serial, ancestors, bytes, problem: problem ?? failure }];
  });
}

/**
 * Decides what the next backup is made from. Reads one of the backups that it would need completely, in turn, so that
 * damage on the disk is found while a full backup can still be made.
 *
 * @returns undefined without `incremental`.
 */
export async function planIncrement(session: IncrementSession): Promise<Increment | undefined> {
  const { options, dependencies } = session;
  if (!options.incremental) return undefined;
  const found = options.full ? "`full` was given" : await chooseParent(session);
  const increment = typeof found === "string" ? fullBackup(options, found) : found;
  const { parent, serial, why = "" } = increment;
  dependencies.reporter.info(
    parent === null
      ? `this backup is a full one: ${why}`
      : `this backup stores what changed since ${parent.id} (number ${serial} of its chain)`,
  );
  return increment;
}

/** @returns the reason instead, if the next backup is a full one. */
async function chooseParent(session: IncrementSession): Promise<Increment | string> {
  const { options, repository } = session;
  const backups = await repository.list();
  const next = nextBackup(chainOf(backups));
  if ("full" in next) return next.full;
  const { serial } = next;
  const { id } = next.parent;
  const { manifest, manifestSha256 } = backups.find((one) => one.id === id) ?? {};
  if (manifest === undefined || manifestSha256 === undefined) return `${id} cannot be read`;
  const ancestors = [id, ...next.parent.ancestors];
  const problem = await readOneAgain(ancestors, session);
  if (problem !== undefined) return problem;
  const indexed = await indexedBases(repository, id, manifest);
  if (indexed === undefined) return `the index of ${id} is missing or damaged`;
  const { key, bases } = indexed;
  const audience = audienceOf(options, key);
  if (!audience.equals(indexed.audience)) return `${id} has other recipients or another passphrase`;
  const secret = { key: key.toString("hex"), audience: audience.toString("hex") };
  const how = { ...secret, isParent: mayBeParent(serial), bases };
  return { parent: { id, manifestSha256 }, ancestors, serial, options: how };
}

function fullBackup(options: Options, why: string): Increment {
  const key = randomBytes(32);
  const audience = audienceOf(options, key).toString("hex");
  const how = { key: key.toString("hex"), audience, isParent: true, bases: {} };
  return { parent: null, ancestors: [], serial: 0, options: how, why };
}

/** Who can read a backup, as a digest. A passphrase cannot be guessed from it any faster than from the backup. */
function audienceOf({ recipients, passphrase }: Options, key: Buffer): Buffer {
  if (passphrase !== undefined) {
    return scryptSync(passphrase, key, 32, { N: 2 ** 18, r: 8, p: 1, maxmem: 2 ** 29 });
  }
  return Buffer.from(sha256Hex(["recipients", ...recipients.toSorted()].join("\n")), "hex");
}

/**
 * Reads the ancestor that was not read for the longest time. Damage revokes its marks and those of all that is made from
 * it.
 *
 * @returns why none of these can be built upon.
 */
async function readOneAgain(
  ancestors: readonly string[],
  { repository, dependencies }: IncrementSession,
): Promise<string | undefined> {
  const { reporter, clock, signal, version } = dependencies;
  const all = await Promise.all(
    ancestors.map(async (id) => ({ id, marks: await repository.marksOf(id) })),
  );
  const lastRead = ({ marks }: (typeof all)[number]) => marks?.reached.checksum ?? "";
  const [oldest] = all.toSorted((a, b) => (lastRead(a) < lastRead(b) ? -1 : 1));
  if (oldest === undefined) throw new Error("a parent has no id");
  const { id, marks } = oldest;
  const proven = await ProvenSums.read(join(repository.index(id), provenName));
  const { checks, manifestSha256 } = await reporter.group(`Read ${id} again`, () =>
    checkChecksums(repository.directory(id), { signal, ancestors: false, proven }),
  );
  await proven.write();
  const other: Check = { name: "manifest", status: "fail", detail: "it is not the one marked" };
  const isOther = marks !== undefined && marks.manifestSha256 !== manifestSha256;
  const wrong = [...checks, ...(isOther ? [other] : [])].find(({ status }) => status !== "pass");
  if (wrong === undefined && manifestSha256 !== undefined) {
    const at = clock.now().toISOString();
    await repository.mark(id, marked(marks, manifestSha256, "checksum", at, version));
    return undefined;
  }
  const failure = `${wrong?.component ?? wrong?.name}: ${wrong?.detail}`;
  if (wrong?.status !== "fail") {
    reporter.warning(`${id} cannot be read: ${failure}`);
    return `${id} cannot be read`;
  }
  const hit = await revokeChain(repository, id, failure, clock.now(), version);
  reporter.warning(`${id} is damaged (${failure}), these no longer count: ${hit.join(", ")}`);
  return `${id} is damaged`;
}

/** The components of a parent that have a whole index; undefined if none has. */
async function indexedBases(
  repository: Repository,
  id: string,
  { components }: Manifest,
): Promise<(Pick<IndexFacts, "key" | "audience"> & Pick<IncrementalOptions, "bases">) | undefined> {
  const bases: Record<string, ComponentBase> = {};
  let head: IndexFacts | undefined;
  for (const component of components) {
    const { name, sha256 } = component;
    const found = await readIndexFacts(join(repository.index(id), name));
    if (found === undefined || found.sha256 !== sha256) continue;
    head ??= found;
    if (found.key.equals(head.key) && found.audience.equals(head.audience)) {
      bases[name] = baseOf(id, component);
    }
  }
  return head && { key: head.key, audience: head.audience, bases };
}

function baseOf(backup: string, component: Component): ComponentBase {
  const { file, bytes, sha256, plainBytes, plainSha256, compression, encryption, base } = component;
  return {
    ...{ backup, file, bytes, sha256, plainBytes },
    ...(plainSha256 === undefined ? {} : { plainSha256 }),
    ...{ compression, encryption },
    ...(base === undefined ? {} : { base }),
  };
}

/** Puts the parent's indexes into the unfinished backup, where a helper container finds them. */
export async function layOutIndexes(
  { parent, options }: Increment,
  repository: Repository,
  directory: string,
): Promise<void> {
  const paths = indexPaths(directory);
  for (const path of [paths.parent, paths.made]) await mkdir(path, { mode: 0o700 });
  if (parent === null) return;
  const place = async (name: string) => {
    const [from, to] = [join(repository.index(parent.id), name), join(paths.parent, name)];
    await link(from, to).catch(() => copyFile(from, to));
  };
  for (const name of Object.keys(options.bases)) {
    await place(name);
    // Only archives of files have it, and without it everything is read.
    await place(membersName(name)).catch(() => undefined);
  }
}

/** Takes the indexes out of a finished copy. One that is left without its backup is removed by the next run. */
export async function keepIndexes(
  { options }: Increment,
  repository: Repository,
  id: string,
  directory: string,
): Promise<void> {
  const paths = indexPaths(directory);
  await rm(paths.parent, { recursive: true });
  if (!options.isParent) return await rm(paths.made, { recursive: true });
  await mkdir(join(repository.path, "index"), { recursive: true, mode: 0o700 });
  await rename(paths.made, repository.index(id));
}

/**
 * Reads the deltas of a backup that was just made, as a restore does.
 *
 * @throws BackupFailedError that names the component, DamagedError.
 */
export async function proveDeltas(
  components: readonly Component[],
  source: SourceOptions,
  signal: AbortSignal,
): Promise<void> {
  for (const component of components) {
    const { base, name, plainBytes } = component;
    if (base === undefined) continue;
    const delta = readArchive(ownRequest(source, component, signal));
    const bytes = await measureDelta(delta, base.plainBytes);
    if (bytes === plainBytes) continue;
    throw new BackupFailedError(
      `reading the backup back failed: ${name}: its delta makes ${bytes} bytes instead of ${plainBytes}`,
    );
  }
}
