import { rename, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { newKeyPair } from "../../archive/age/keys.ts";
import { verifyArchive } from "../../archive/read-archive.ts";
import { writeArchive } from "../../archive/write-archive.ts";
import { BackupFailedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { expecting } from "../../core/reporter.ts";
import { keyFingerprint, type SignKey, signText } from "../../core/ssh-signature.ts";
import { taskMount } from "../../core/task.ts";
import { fsyncFile } from "../../core/temp.ts";
import {
  type Component,
  formatManifest,
  type Manifest,
  manifestFile,
  sealedManifestFile,
  sealedSignatureFile,
  signatureFile,
  withSealed,
} from "../../model/manifest.ts";
import { marked } from "../../model/marks.ts";
import type { DiscoveredStore, VolumeStore } from "../../model/stack.ts";
import { checkChecksums } from "../../repository/checksum.ts";
import type { Repository } from "../../repository/repository.ts";
import { backupFailed, recipientsOf } from "../../stores/sink.ts";
import type { NamedFile } from "../../stores/stack-files/references.ts";
import { stackRoots } from "../../stores/stack-files/roots.ts";
import { backupStackFiles } from "../../stores/stack-files/stack-files.ts";
import type { BackupContext, SinkOptions, VolumeMode } from "../../stores/store.ts";
import { storeOf } from "../../stores/stores.ts";
import { discardPartial } from "../session/discard.ts";
import { undoneSteps } from "../session/journal.ts";
import { signingKey } from "../session/sign-key.ts";
import {
  type Increment,
  keepIndexes,
  layOutIndexes,
  planIncrement,
  proveDeltas,
} from "./increment.ts";
import type { RestorePointSession } from "./journal.ts";
import {
  describeServices,
  detailOf,
  notableOf,
  schemaHeads,
  storeVersions,
} from "./manifest-facts.ts";
import { refuseHiddenLogs, requireNoHiddenLog } from "./refuse-hidden-logs.ts";
import { volumeModes } from "./volume-modes.ts";
import { requireWritersStartable, withVolumeStopped, withWritersStopped } from "./writers.ts";

/** A complete backup. */
interface RestorePoint {
  readonly id: string;
  readonly path: string;
  readonly manifest: Manifest;
  readonly bytes: number;
  /** The fingerprint of the key that signed it; undefined if it is not signed. */
  readonly signer: string | undefined;
  /** The files of the stack besides its data. */
  readonly files: readonly NamedFile[];
  /** What the manifest itself cannot tell. */
  readonly warnings: readonly string[];
}

/**
 * Creates a backup of the whole stack: copies every store in its order, writes the manifest, fsyncs and reads back
 * every file, and renames the directory to its final name.
 *
 * @throws RefusedError before anything begins; BackupFailedError that names the store and the cause; the undo stack removes the partial backup.
 */
export async function takeRestorePoint(session: RestorePointSession): Promise<RestorePoint> {
  const { id, repository, journal, undo, options, dependencies } = session;
  const modes = volumeModes(session.stack, options);
  const createdAt = dependencies.clock.now().toISOString();
  const increment = await planIncrement(session);
  const ephemeral = options.recipients.length === 0 ? undefined : await newKeyPair();
  const { files } = await stackRoots(session.stack, repository.path, options);
  await refuseHiddenLogs(session.stack, options, await session.host.engine());
  await requireWritersStartable(session);
  const warnings: string[] = [];
  const signer = await signingKey(options, repository.path, (line) => {
    warnings.push(line);
    dependencies.reporter.warning(line);
  });
  journal.append("copy", "begin", { id });
  undo.add("remove the unfinished backup", () => discardPartial(repository, id, session.tasks));
  const directory = await repository.begin(id);
  const sink: SinkOptions = {
    directory,
    recipients: ephemeral === undefined ? [] : [...options.recipients, ephemeral.recipient],
    passphrase: options.passphrase,
    ...(increment === undefined ? {} : { incremental: increment.options }),
  };
  try {
    if (increment !== undefined) await layOutIndexes(increment, repository, directory);
    const components = await copyStores(session, sink, modes, files);
    if (increment !== undefined) await keepIndexes(increment, repository, id, directory);
    const manifest = await describe(session, components, createdAt, increment);
    await dependencies.reporter.group("Seal the backup", async () => {
      const sealed = await writeManifest(manifest, sink, signer, dependencies.signal);
      await readBack(manifest, sealed, sink, ephemeral?.identity, dependencies.signal);
    });
    const path = await repository.finish(id);
    if (increment !== undefined) await repository.forgetIndexes([id, ...increment.ancestors]);
    const bytes = components.reduce((sum, component) => sum + component.bytes, 0);
    await mark(session, id);
    const fingerprint = signer === undefined ? undefined : keyFingerprint(signer.publicKey);
    return { id, path, manifest, bytes, signer: fingerprint, files, warnings };
  } catch (cause) {
    throw dependencies.signal.aborted ? cause : backupFailed("the backup failed", cause);
  }
}

async function copyStores(
  session: RestorePointSession,
  sink: SinkOptions,
  modes: Readonly<Record<string, VolumeMode>>,
  files: readonly NamedFile[],
): Promise<Component[]> {
  const { stack, options, dependencies } = session;
  const { clock, signal } = dependencies;
  const reporter = expecting(dependencies.reporter, await lastSizes(session.repository));
  await using tasks = session.tasks.keep([
    ...stack.stores.map(({ mount }) => taskMount(mount, true)),
    { path: sink.directory, readOnly: false },
  ]);
  const context: BackupContext = {
    containers: session.containers,
    tasks,
    ...{ reporter, clock, signal, sink, undo: session.undo },
    rabbitmqMessages: options.rabbitmqMessages,
    includeHostFiles: options.includeHostFiles,
    volumeModes: modes,
    undone: (step) => undoneSteps(session.repository.operations, step),
    journal: async (step, data) => {
      session.journal.append("copy", step as "pause", data as { containers: string[] });
    },
  };
  // In a stopped backup the writers are stopped already.
  const stopsFor = (store: DiscoveredStore): store is VolumeStore =>
    store.kind === "volume" && options.consistency === "live" && modes[store.name] === "stop";
  const order = (store: DiscoveredStore) => storeOf(store).backupOrder;
  const stores = stack.stores.toSorted((a, b) => order(a) - order(b));
  const prepared = Promise.allSettled(
    stores.map(async (store) => storeOf(store).prepare?.(store, context)),
  );
  const all: Component[] = [
    await reporter.group("Copy the compose files", async () => {
      for (const { path, by } of files) reporter.info(`${path} (${by})`);
      return await backupStackFiles(stack, context);
    }),
  ];
  await withWritersStopped(session, async () => {
    for (const store of stores) {
      await reporter.group(`Copy ${store.name} (${store.kind})`, async () => {
        const copy = async () => {
          const stateOf = async (id: string) => (await session.containers.inspect(id))?.state;
          await requireNoHiddenLog(stack, store.name, await session.host.engine(), stateOf);
          return await copyStore(store, context);
        };
        const components = await (stopsFor(store)
          ? withVolumeStopped(session, store, copy)
          : copy());
        for (const { name, bytes, plainBytes, warnings } of components) {
          reporter.info(`${name}: ${formatBytes(plainBytes)} stored as ${formatBytes(bytes)}`);
          for (const warning of warnings) reporter.info(`${name}: ${warning}`);
        }
        all.push(...components);
      });
    }
  });
  await prepared;
  return all;
}

/** The sizes of the components in the newest backup, by their names. */
async function lastSizes(repository: Repository): Promise<Readonly<Record<string, number>>> {
  const newest = (await repository.list()).find(({ manifest }) => manifest !== undefined);
  const components = newest?.manifest?.components ?? [];
  return Object.fromEntries(components.map(({ name, plainBytes }) => [name, plainBytes]));
}

async function copyStore(store: DiscoveredStore, context: BackupContext): Promise<Component[]> {
  try {
    return await storeOf(store).backup(store, context);
  } catch (cause) {
    throw context.signal.aborted ? cause : backupFailed(store.name, cause);
  }
}

async function describe(
  session: RestorePointSession,
  components: readonly Component[],
  createdAt: string,
  increment: Increment | undefined,
): Promise<Manifest> {
  const { id, stack, host, options, dependencies } = session;
  const excluded = stack.excluded.map((path) => `${path} is excluded and not in this backup`);
  const recipients = options.recipients.length > 0 || options.passphrase !== undefined;
  return {
    ...(increment === undefined
      ? { schemaVersion: 1, id }
      : { schemaVersion: 2, id, parent: increment.parent, serial: increment.serial }),
    createdAt,
    finishedAt: dependencies.clock.now().toISOString(),
    toolVersion: dependencies.version,
    host: hostname(),
    project: stack.project,
    tier: stack.tier,
    consistency: options.consistency,
    services: await describeServices(stack, await host.engine()),
    storeVersions: storeVersions(components),
    brokerNodeName: detailOf(components, "nodeName"),
    schemaHeads: schemaHeads(components),
    vaultKeyFingerprint: detailOf(components, "vaultKeyFingerprint"),
    components: [...components],
    warnings: [
      ...excluded,
      ...notableOf(components),
      ...(recipients ? [] : ["not encrypted: keep this backup on this host"]),
    ],
  };
}

/** @returns the text of the manifest without the record of the sealed one. */
async function writeManifest(
  manifest: Manifest,
  sink: SinkOptions,
  signer: SignKey | undefined,
  signal: AbortSignal,
): Promise<string> {
  const text = formatManifest(manifest);
  const encrypt = recipientsOf(sink);
  let plain = text;
  if (encrypt !== undefined) {
    const { bytes, sha256 } = await writeArchive({
      source: Readable.from([Buffer.from(text)]),
      file: join(sink.directory, sealedManifestFile),
      compress: false,
      encrypt,
      signal,
    });
    plain = withSealed(text, { bytes, sha256 });
  }
  if (signer !== undefined) await writeSignature(signText(plain, signer), sink, signal);
  await writeDurably(join(sink.directory, manifestFile), plain);
  return text;
}

async function writeSignature(
  signature: string,
  sink: SinkOptions,
  signal: AbortSignal,
): Promise<void> {
  await writeDurably(join(sink.directory, signatureFile), signature);
  const encrypt = recipientsOf(sink);
  if (encrypt === undefined) return;
  const making = join(sink.directory, `.${signatureFile}`);
  const source = Readable.from([Buffer.from(signature)]);
  const { sha256 } = await writeArchive({ source, file: making, compress: false, encrypt, signal });
  await rename(making, join(sink.directory, sealedSignatureFile(sha256)));
}

async function writeDurably(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600, flag: "wx" });
  await fsyncFile(path);
}

/** Reads every byte back from the disk, and decrypts the sealed manifest and every delta as a restore does. */
async function readBack(
  { components }: Manifest,
  sealed: string,
  sink: SinkOptions,
  identity: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { directory } = sink;
  // What it is made from was looked at before it was begun.
  const { checks } = await checkChecksums(directory, { signal, ancestors: false });
  const failed = checks.find(({ status }) => status !== "pass");
  if (failed !== undefined) {
    throw new BackupFailedError(
      `reading the backup back failed: ${failed.component ?? failed.name}: ${failed.detail}`,
      { hint: "check the disk of the repository" },
    );
  }
  const identities = identity === undefined ? [] : [identity];
  const { passphrase } = sink;
  await proveDeltas(components, { directory, identities, passphrase }, signal);
  if (recipientsOf(sink) === undefined) return;
  const { plainBytes } = await verifyArchive({
    file: join(directory, sealedManifestFile),
    compressed: false,
    decrypt: { identities, ...(passphrase === undefined ? {} : { passphrase }) },
    signal,
  });
  if (plainBytes !== Buffer.byteLength(sealed)) {
    throw new BackupFailedError("the sealed manifest differs after reading it back");
  }
}

async function mark({ repository, dependencies }: RestorePointSession, id: string): Promise<void> {
  const { manifestSha256 } = await repository.read(id);
  if (manifestSha256 === undefined) throw new Error(`${id} has no readable manifest`);
  const at = dependencies.clock.now().toISOString();
  await repository.mark(
    id,
    marked(undefined, manifestSha256, "checksum", at, dependencies.version),
  );
}
