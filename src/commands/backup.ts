import { formatBytes } from "../core/format.ts";
import type { Component, Count } from "../model/manifest.ts";
import { provenRemotes } from "../model/marks.ts";
import type { ComponentSummary, Result } from "../model/result.ts";
import type { Stack, VolumeStore } from "../model/stack.ts";
import { takeRestorePoint } from "../operations/backup/create.ts";
import { requireSpace } from "../operations/backup/disk-space.ts";
import { backupJournal } from "../operations/backup/journal.ts";
import { requireAccess } from "../operations/backup/require-access.ts";
import { volumeModes } from "../operations/backup/volume-modes.ts";
import { deviceOf, newestOffHost } from "../operations/off-host/copies.ts";
import {
  chooseDestinations,
  deliverAll,
  limitsOf,
  markPending,
} from "../operations/off-host/deliver.ts";
import { retainEverywhere } from "../operations/off-host/retain-there.ts";
import type { Dependencies } from "../operations/session/command.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { repositoryPath } from "../operations/session/repository-path.ts";
import { withSession } from "../operations/session/session.ts";
import { hasKeepRule, hasRemoteRule, type Options } from "../options/parse.ts";
import type { Repository } from "../repository/repository.ts";
import { requireRunning } from "../stack/discovery.ts";
import { stackRoots } from "../stores/stack-files/roots.ts";
import type { VolumeMode } from "../stores/store.ts";
import { expectedPause } from "../stores/tree/tree-store.ts";
import { applyRetention } from "./prune.ts";

/**
 * Creates one restore point of the whole stack while it serves and verifies that it is readable. Then applies retention
 * and uploads to the destination.
 *
 * @throws RefusedError, BackupFailedError, UploadFailedError, LockedError, CancelledError.
 */
export async function backup(options: Options, dependencies: HostDependencies): Promise<Result> {
  const { clock, reporter, host } = dependencies;
  const begun = clock.monotonicMs();
  const seconds = () => (clock.monotonicMs() - begun) / 1000;
  const limits = limitsOf(chooseDestinations(options, dependencies));
  for (const limit of limits) reporter.info(limit);
  if (options.dryRun) {
    const stack = await host.discover(options, dependencies);
    reportStack(stack, options, dependencies);
    const plan = await planOf(stack, options, dependencies);
    return { result: "planned", seconds: seconds(), plan };
  }
  return await withSession(backupJournal, options, dependencies, async (session) => {
    reportStack(session.stack, options, dependencies);
    requireRunning(session.stack);
    await requireAccess(session);
    await requireSpace(session);
    const point = await takeRestorePoint(session);
    // The backup is complete: later failures must not remove it.
    session.undo.commit();
    const { repository } = session;
    const tooLarge = sizeProblem(point.bytes, options);
    if (tooLarge !== undefined) reporter.warning(tooLarge);
    const destinations =
      tooLarge === undefined
        ? chooseDestinations(options, dependencies, repository.path)
        : { services: [], remotes: [] };
    await markPending(repository, point.id, destinations, dependencies);
    const retained = hasKeepRule(options)
      ? await reporter.group("Apply retention", () => applyRetention(session, options, point.id))
      : undefined;
    // Upload last: a full or unreachable destination must not prevent retention.
    const stored = await repository.read(point.id);
    const { warnings: notSent, ...sent } = await deliverAll(
      ...([destinations, stored, repository, options, dependencies] as const),
    );
    const remoteRetention = hasRemoteRule(options)
      ? await retainEverywhere(destinations.remotes, session, options)
      : undefined;
    return {
      result: "backed-up",
      seconds: seconds(),
      backupId: point.id,
      path: point.path,
      level: "checksum",
      components: point.manifest.components.map(summaryOf),
      bytes: point.bytes,
      removed: retained?.removed ?? [],
      ...(retained === undefined ? {} : { kept: retained.kept }),
      recovered: session.recovered,
      signer: point.signer ?? null,
      files: point.files,
      warnings: [
        ...point.manifest.warnings,
        ...point.warnings,
        ...(retained?.warnings ?? []),
        ...(tooLarge === undefined ? [] : [tooLarge]),
        ...notSent,
        ...(remoteRetention?.warnings ?? []),
      ],
      encrypted: point.manifest.components.every(({ encryption }) => encryption === "age"),
      ...sent,
      ...(await spreadOf(repository, point.id, sent.artifact !== undefined)),
      ...(remoteRetention === undefined ? {} : { remotes: remoteRetention.remotes }),
    };
  });
}

/** How many copies of the backup there are besides the data, and what one failure takes together. */
async function spreadOf(
  repository: Repository,
  id: string,
  isArtifact: boolean,
): Promise<Pick<Result, string>> {
  const stored = await repository.read(id);
  return {
    copies: 1 + provenRemotes(stored.marks).length + (isArtifact ? 1 : 0),
    offHost: (await newestOffHost(repository)) ?? null,
    ...(await deviceOf(repository.path, stored)),
  };
}

/** Why the backup is not uploaded, by its size. */
function sizeProblem(bytes: number, { upload, uploadMaxBytes }: Options): string | undefined {
  if (upload.length === 0 || uploadMaxBytes === undefined || bytes <= uploadMaxBytes)
    return undefined;
  const sizes = `${formatBytes(bytes)}, and upload-max-bytes is ${formatBytes(uploadMaxBytes)}`;
  return `the backup was not uploaded: it has ${sizes}`;
}

function reportStack(stack: Stack, options: Options, { reporter }: Dependencies): void {
  const modes = volumeModes(stack, options);
  reporter.info(`project ${stack.project} (${stack.tier}) in ${stack.directory}`);
  for (const store of stack.stores) {
    const place = store.mount.volume ?? store.mount.source;
    const how = store.kind === "volume" ? howCopied(store, modes[store.name]) : "";
    reporter.info(`${store.name}: ${store.kind}, ${place}${how}`);
  }
  for (const path of stack.excluded) reporter.info(`excluded: ${path}`);
  for (const note of stack.notes ?? []) reporter.info(note);
}

/** What the log says of a volume that services write to. */
function howCopied({ engine, services }: VolumeStore, mode: VolumeMode | undefined): string {
  const what = engine === undefined ? "" : ` (${engine})`;
  const who = services.join(", ");
  if (mode === "freeze") return `${what}; ${who} is paused for a moment if it writes meanwhile`;
  return mode === "stop" ? `${what}; ${who} is stopped meanwhile` : `${what}; ${who} keeps running`;
}

async function planOf(
  stack: Stack,
  options: Options,
  dependencies: HostDependencies,
): Promise<unknown> {
  const modes = volumeModes(stack, options);
  const repository = repositoryPath(options, stack.project);
  const { files } = await stackRoots(stack, repository, options);
  const { tasks } = await dependencies.host.workbench("backup", dependencies);
  const volumes: Record<string, unknown> = {};
  for (const store of stack.stores) {
    if (store.kind !== "volume") continue;
    const mode = modes[store.name];
    const pause = mode === "freeze" ? await expectedPause(store, tasks, dependencies.signal) : 0;
    volumes[store.name] = {
      ...(store.engine === undefined ? {} : { engine: store.engine }),
      services: store.services,
      consistency: mode,
      ...(mode === "freeze" ? { expectedPauseSeconds: pause } : {}),
    };
  }
  return {
    project: stack.project,
    tier: stack.tier,
    composeFiles: stack.composeFiles,
    repository,
    encrypted: options.recipients.length > 0 || options.passphrase !== undefined,
    consistency: options.consistency,
    ...(options.upload.length === 0 ? {} : { upload: uploadPlan(options) }),
    stores: stack.stores.map((store) => ({
      name: store.name,
      kind: store.kind,
      ...("service" in store ? { service: store.service } : {}),
      source: store.mount.volume ?? store.mount.source,
      ...(volumes[store.name] ?? {}),
    })),
    files,
    excluded: stack.excluded,
    notes: stack.notes ?? [],
  };
}

function uploadPlan(options: Options): unknown {
  const { upload, uploadTo, uploadLock, uploadLockDays } = options;
  return {
    to: upload.map((name) => (name === "artifact" || name === "cache" ? name : (uploadTo ?? name))),
    ...(uploadLock === undefined ? {} : { lock: uploadLock, lockDays: uploadLockDays }),
  };
}

function summaryOf(component: Component): ComponentSummary {
  const { name, store, bytes, plainBytes, counts, startedAt, endedAt } = component;
  const counted = Object.entries(counts).slice(0, 4);
  const rest = Object.keys(counts).length - counted.length;
  const summary = counted.map(([what, count]) => `${textOf(count)} ${what}`).join(", ");
  return {
    ...{ name, store, bytes, plainBytes },
    seconds: (Date.parse(endedAt) - Date.parse(startedAt)) / 1000,
    ...(summary === "" ? {} : { summary: rest > 0 ? `${summary}, and ${rest} more` : summary }),
  };
}

function textOf(count: Count): string {
  return typeof count === "number" ? String(count) : `${count.min} to ${count.max}`;
}
