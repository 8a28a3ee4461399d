import {
  asUploadFailure,
  KeeperError,
  RefusedError,
  UploadFailedError,
} from "../../core/errors.ts";
import type { SignKey } from "../../core/ssh-signature.ts";
import type { Delivery, Destination, Shipment } from "../../destinations/destination.ts";
import type { Remote } from "../../destinations/remote.ts";
import { type Manifest, sealedManifestFile } from "../../model/manifest.ts";
import { type Marks, withRemote } from "../../model/marks.ts";
import type { Result, UploadSummary } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import type { Repository, StoredBackup } from "../../repository/repository.ts";
import type { Dependencies } from "../session/command.ts";
import { signingKey } from "../session/sign-key.ts";
import { isEncrypted } from "../verify/sealed-manifest.ts";
import { remoteAt } from "./remotes.ts";

type DeliverDependencies = Pick<
  Dependencies,
  "reporter" | "clock" | "signal" | "destinations" | "version"
>;

/** The destinations that `upload` names. */
interface Chosen {
  /** Services of the workflow that store a backup as one file, by the value of `upload`. */
  readonly services: readonly (readonly ["artifact" | "cache", Destination])[];
  readonly remotes: readonly Remote[];
}

/** What a run sent, and what of it did not fit. */
type Sent = Pick<Result, "artifact" | "uploads"> & { readonly warnings: readonly string[] };

/**
 * The destinations that `upload` names.
 *
 * @param memory - a directory for what is known of servers
 * @throws RefusedError, before any change, if a destination is not available.
 */
export function chooseDestinations(
  options: Options,
  { destinations }: Pick<Dependencies, "destinations">,
  memory?: string,
): Chosen {
  const services: ["artifact" | "cache", Destination][] = [];
  const remotes: Remote[] = [];
  const { upload, uploadTo = "" } = options;
  const names =
    upload.length === 0 && options.command === "upload" ? ([schemeOf(uploadTo)] as const) : upload;
  for (const name of names) {
    if (name === "s3" || name === "rclone") {
      const remote = remoteAt("upload-to", uploadTo, options, memory);
      remote.refuseUnready();
      remotes.push(remote);
      continue;
    }
    const service = destinations[name];
    if (service === undefined) {
      const wrong = `upload is ${name}, which works only in a step of the action`;
      throw new RefusedError(`${wrong}: leave it out here`, { class: "no-artifacts" });
    }
    service.refuseUnready();
    services.push([name, service]);
  }
  return { services, remotes };
}

/** The command `upload` needs only the address. */
function schemeOf(address: string): "s3" | "rclone" {
  return address.startsWith("rclone:") ? "rclone" : "s3";
}

/** What a user must know of a destination before anything goes there. */
export function limitsOf({ services }: Pick<Chosen, "services">): string[] {
  return services.some(([name]) => name === "cache")
    ? [
        "upload is cache: all caches of a GitHub repository together hold 10 GB, one that nobody reads for a week is removed, and every pull request may read them, those of forks included",
      ]
    : [];
}

/** Records, before the upload, that a backup is to be sent: a later run then sends it if this one cannot. */
export async function markPending(
  repository: Repository,
  id: string,
  { remotes }: Chosen,
  { clock }: Pick<DeliverDependencies, "clock">,
): Promise<void> {
  for (const { name } of remotes) await markRemote(repository, id, name, null, clock.now());
}

/**
 * Sends a backup to every destination, and first what earlier runs were to send and did not. A destination that fails
 * does not keep the others from being tried. What the cache does not take is a warning: it makes rehearsals easier, and is
 * no place for the only copy.
 *
 * @throws UploadFailedError, the first one, which also names the backup: it is complete on this host.
 */
export async function deliverAll(
  chosen: Chosen,
  backup: StoredBackup,
  repository: Repository,
  options: Options,
  dependencies: DeliverDependencies,
): Promise<Sent> {
  const failures: UploadFailedError[] = [];
  const uploads: UploadSummary[] = [];
  let artifact: Sent["artifact"];
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof UploadFailedError)) throw error;
      failures.push(error);
    }
  };
  const signer = await listSigner(chosen, repository, options, dependencies);
  for (const remote of chosen.remotes) {
    await attempt(async () => {
      const earlier = await missing(repository, remote.name, backup.id);
      for (const one of await withAncestors([...earlier, backup], repository, remote.name)) {
        uploads.push(await sendTo(remote, one, repository, signer, dependencies));
      }
    });
  }
  const warnings: string[] = [];
  for (const [name, service] of chosen.services) {
    await attempt(async () => {
      const { reporter } = dependencies;
      const shipment = shipmentOf(backup, undefined, options);
      const delivery = await reporter
        .group(`Upload the backup: ${name}`, () => service.deliver(shipment, dependencies))
        .catch((error: unknown) => {
          const isLimit = name === "cache" && error instanceof UploadFailedError;
          if (!isLimit || error.class === "unencrypted") throw error;
          warnings.push([error.message, error.hint].filter(Boolean).join("; "));
          reporter.warning(warnings.at(-1) ?? "");
          return undefined;
        });
      if (delivery === undefined) return;
      if (name === "artifact") artifact = delivery;
      else uploads.push(summaryOf(name, backup, { ...delivery, proof: "listed" }));
    });
  }
  const [first] = failures;
  if (first !== undefined) throw withFacts(first, backup, { artifact, uploads });
  return {
    ...(artifact === undefined ? {} : { artifact }),
    ...(chosen.remotes.length + uploads.length === 0 ? {} : { uploads }),
    warnings,
  };
}

/**
 * The key that signs the lists of what is sent: that which signs the backups.
 *
 * @throws RefusedError for a key that cannot be used.
 */
export async function listSigner(
  { remotes }: Pick<Chosen, "remotes">,
  repository: Repository,
  options: Options,
  { reporter }: Pick<DeliverDependencies, "reporter">,
): Promise<SignKey | undefined> {
  if (remotes.length === 0) return undefined;
  return await signingKey(options, repository.path, () => {
    reporter.warning("SHA256SUMS is not signed: no key can be made on this host; give sign-key");
  });
}

/**
 * Sends one backup to one destination, and marks it as proven there. Before that, the locks of what it is made from are
 * lengthened: it is worth nothing without them.
 *
 * @param signer - signs the list of its files
 * @throws UploadFailedError.
 */
export async function sendTo(
  remote: Remote,
  backup: StoredBackup,
  repository: Repository,
  signer: SignKey | undefined,
  dependencies: DeliverDependencies,
): Promise<UploadSummary> {
  const { reporter, clock } = dependencies;
  const shipment = shipmentOf(backup, signer);
  const delivery = await reporter.group(`Upload ${backup.id} to ${remote.name}`, async () => {
    for (const id of backup.ancestors ?? []) {
      await remote.lengthenLocks(shipment.project, id, dependencies);
    }
    return await remote.deliver(shipment, dependencies);
  });
  const { proof = "read" } = delivery;
  await markRemote(repository, backup.id, remote.name, proof, clock.now());
  reporter.info(`${remote.name}/${delivery.name}: SHA256SUMS is ${delivery.sha256}`);
  return summaryOf(remote.name, backup, { ...delivery, proof });
}

/**
 * The backups in the order in which they are sent: before each those that it needs and that are not proven at the
 * destination. What is interrupted leaves none there that cannot be read.
 *
 * @throws UploadFailedError if one that is needed is not here.
 */
export async function withAncestors(
  backups: readonly StoredBackup[],
  repository: Repository,
  name: string,
): Promise<readonly StoredBackup[]> {
  const ordered = new Map<string, StoredBackup>();
  for (const backup of backups) {
    for (const id of (backup.ancestors ?? []).toReversed()) {
      const marks = await repository.marksOf(id);
      if (isProven(marks, name)) continue;
      const ancestor = backups.find((one) => one.id === id) ?? (await repository.read(id));
      if (ancestor.problem !== undefined) {
        const why = `${id}, which it needs, cannot be sent: ${ancestor.problem}`;
        throw notSent(backup.id, why, ancestor);
      }
      ordered.set(id, ancestor);
    }
    ordered.set(backup.id, backup);
  }
  return [...ordered.values()];
}

/** The failure for a backup that is not sent because of one that has a problem: itself, or one that it needs. */
export function notSent(id: string, why: string, { isUnknown }: StoredBackup): UploadFailedError {
  const name = isUnknown === true ? "unverifiable" : "damaged";
  return new UploadFailedError(`${id} is not sent: ${why}`, { class: name });
}

/** Every backup that may leave this host and is not proven at the destination, the oldest first. */
export async function unproven(repository: Repository, name: string): Promise<StoredBackup[]> {
  return (await mayLeave(repository)).filter(({ marks }) => !isProven(marks, name));
}

/**
 * The backups that were proven at a destination, and that somebody has removed there, the oldest first.
 *
 * @throws UploadFailedError if it cannot be listed.
 */
export async function removedThere(
  remote: Remote,
  repository: Repository,
  dependencies: DeliverDependencies,
): Promise<StoredBackup[]> {
  const proven = (await mayLeave(repository)).filter(({ marks }) => isProven(marks, remote.name));
  const projects = new Set(proven.map(({ manifest }) => manifest?.project));
  const there = new Set<string>();
  try {
    for (const project of projects) {
      for (const { id } of await remote.list(project, dependencies)) there.add(id);
    }
  } catch (error) {
    throw error instanceof KeeperError ? asUploadFailure(error) : error;
  }
  return proven.filter(({ id }) => !there.has(id));
}

async function mayLeave(repository: Repository): Promise<StoredBackup[]> {
  return (await repository.list())
    .filter(({ manifest, problem, marks }) => {
      const isGood = manifest !== undefined && problem === undefined && marks?.level !== null;
      return isGood && isEncrypted(manifest);
    })
    .toReversed();
}

function isProven(marks: Marks | undefined, name: string): boolean {
  return (marks?.remotes?.[name]?.proof ?? null) !== null;
}

/** The backups that earlier runs were to send and did not, the oldest first. */
async function missing(repository: Repository, name: string, but: string): Promise<StoredBackup[]> {
  const all = await unproven(repository, name);
  return all.filter(({ id, marks }) => id !== but && marks?.remotes?.[name] !== undefined);
}

async function markRemote(
  repository: Repository,
  id: string,
  name: string,
  proof: Delivery["proof"] | null,
  at: Date,
): Promise<void> {
  const { manifestSha256, marks } = await repository.read(id);
  if (manifestSha256 === undefined) return;
  const before: Marks = marks ?? {
    ...{ manifestSha256, level: null, at: at.toISOString(), toolVersion: "", reached: {} },
  };
  const mark = { proof: proof ?? null, at: at.toISOString() };
  await repository.mark(id, withRemote(before, name, mark));
}

function shipmentOf(
  backup: StoredBackup,
  signer: SignKey | undefined,
  options?: Options,
): Shipment {
  const { id, path, manifest } = backup;
  return {
    backupId: id,
    project: manifest?.project ?? "",
    directory: path,
    sha256: new Map(componentSums(manifest)),
    signer,
    name: options?.artifactName,
    retentionDays: options?.artifactRetentionDays,
  };
}

function componentSums(manifest: Manifest | undefined): [string, string][] {
  const sealed = manifest?.sealed;
  return [
    ...(manifest?.components ?? []).map(({ file, sha256 }): [string, string] => [file, sha256]),
    ...(sealed === undefined ? [] : [[sealedManifestFile, sealed.sha256] as [string, string]]),
  ];
}

function summaryOf(
  to: string,
  { id }: StoredBackup,
  { name, bytes, proof }: Pick<Delivery, "name" | "bytes"> & { readonly proof: string },
): UploadSummary {
  return { backupId: id, to, name, bytes, proof };
}

function withFacts(
  error: KeeperError,
  backup: StoredBackup,
  sent: {
    readonly artifact: Result["artifact"] | undefined;
    readonly uploads: readonly UploadSummary[];
  },
): UploadFailedError {
  const { artifact, uploads } = sent;
  return new UploadFailedError(error.message, {
    class: error.class,
    cause: error.cause,
    facts: {
      backupId: backup.id,
      path: backup.path,
      ...(artifact === undefined ? {} : { artifact }),
      ...(uploads.length === 0 ? {} : { uploads }),
    },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.evidence === undefined ? {} : { evidence: error.evidence }),
  });
}
