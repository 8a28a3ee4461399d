import { randomBytes } from "node:crypto";
import { exitCodes, KeeperError, UnverifiableError } from "../../core/errors.ts";
import { formatSeconds } from "../../core/format.ts";
import { Masker } from "../../core/secrets.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Rehearsal } from "../../model/rehearsal.ts";
import type { Check, Reason, Result } from "../../model/result.ts";
import type { ComposeModel } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { Engine } from "../../stack/engine.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import { storesOf } from "../fill/backed-up-store.ts";
import { openStackSource, type StackSource } from "../fill/stack-source.ts";
import type { Dependencies } from "../session/command.ts";
import { removeDeadClones } from "../session/dead-clones.ts";
import { hold } from "../session/hold.ts";
import { headsOf } from "../upgrade/require-rehearsal.ts";
import type { FoundBackup } from "../verify/find-backup.ts";
import { failureOf, record, verifyLevelsOf } from "../verify/levels.ts";
import { checkSealed } from "../verify/sealed-manifest.ts";
import { readNewFiles } from "./checkout.ts";
import { chooseBackup } from "./choose-backup.ts";
import { earlierRehearsal } from "./earlier-rehearsal.ts";
import { imageLines } from "./image-lines.ts";
import { tryInClone } from "./in-clone.ts";
import { hashOfModel, keepRecord } from "./keep-record.ts";
import { maskModel } from "./mask-secrets.ts";
import { modelDifferences } from "./model-differences.ts";
import { requireMemory } from "./peak-memory.ts";
import { Phases } from "./phases.ts";
import { predictionOf } from "./predict-downtime.ts";
import { imageSizes, requireDisk, requireVersions } from "./rehearsal-preflight.ts";
import { verdictOfRehearsal } from "./rehearsal-verdict.ts";
import {
  changedImages,
  pullNew,
  pullOld,
  type RehearsedImages,
  rehearsedChanges,
} from "./rehearsed-images.ts";
import { declaredByImages } from "./required.ts";
import type { RehearsalHost, Tried } from "./trial.ts";
import { watchingOver } from "./watchdog.ts";

type RehearsalDependencies = Dependencies & { readonly host: RehearsalHost };

/** What is known of a rehearsal so far, whatever ends it. */
interface Draft {
  readonly phases: Phases;
  readonly operationId: string;
  readonly found: FoundBackup;
  facts: Partial<Result>;
  checks: readonly Check[];
  rehearsal: Rehearsal;
}

/**
 * Rehearses an upgrade on a clone of a backup. Takes no lock of the live stack and changes nothing of it; the stack need
 * not be on this host.
 *
 * `passed`, `failed` (a check of the upgrade or the rollback), `damaged` (the backup does not restore), `unverifiable`
 * (something could not be checked), `stale` (the backup is too old), `unchanged` (there is no new image).
 *
 * @throws RefusedError for inputs or a backup that cannot be used; CancelledError when cancelled.
 */
export async function rehearse(
  options: Options,
  dependencies: RehearsalDependencies,
): Promise<Result> {
  const { clock } = dependencies;
  const phases = new Phases(clock);
  phases.begin("look");
  const found = await chooseBackup(options, dependencies);
  const draft: Draft = {
    ...{ phases, found, checks: [], facts: { backupId: found.id, path: found.directory } },
    operationId: `rehearsal-${randomBytes(4).toString("hex")}`,
    rehearsal: { source: found.id, backupAgeSeconds: 0 },
  };
  await removeDeadClones(dependencies);
  await using _held = await hold(found, draft.operationId, dependencies);
  try {
    const outcome = await outcomeOf(draft, options, dependencies);
    const { facts, checks, rehearsal } = draft;
    const timeline = phases.timeline();
    return { ...facts, ...outcome, checks, rehearsal, timeline, seconds: phases.seconds() };
  } finally {
    // Compose may have created parts for a killed run after the first clean-up.
    await removeDeadClones(dependencies);
  }
}

type Outcome = Pick<Result, "result" | "reason" | "lastLines">;

async function outcomeOf(
  draft: Draft,
  options: Options,
  dependencies: RehearsalDependencies,
): Promise<Outcome> {
  try {
    return await played(draft, options, dependencies);
  } catch (error) {
    dependencies.signal.throwIfAborted();
    const ends: readonly number[] = [exitCodes.unverifiable, exitCodes.damaged];
    if (!(error instanceof KeeperError) || !ends.includes(error.exitCode)) throw error;
    return { result: error.result, reason: reasonOf(error) };
  }
}

function reasonOf({ message, hint, evidence, ...error }: KeeperError): Reason {
  return {
    ...{ class: error.class, message },
    ...(hint === undefined ? {} : { hint }),
    ...(evidence === undefined ? {} : { evidence }),
  };
}

async function played(
  draft: Draft,
  options: Options,
  dependencies: RehearsalDependencies,
): Promise<Outcome> {
  const { host, reporter, signal, clock } = dependencies;
  const { found, operationId, phases } = draft;
  const source = {
    ...{ directory: found.directory, identities: options.identity },
    passphrase: options.passphrase,
  };
  const { manifest, manifestSha256 } = await readBackup(draft, source, dependencies);
  const ageMs = clock.now().getTime() - new Date(manifest.createdAt).getTime();
  draft.rehearsal = { ...draft.rehearsal, backupAgeSeconds: Math.round(ageMs / 1000) };
  const { maxAgeMs } = options;
  if (maxAgeMs !== undefined && ageMs > maxAgeMs) return stale(ageMs, maxAgeMs);
  await using stack = await openStackSource(manifest, source, signal);
  const engine = await host.engine();
  const planned = await reporter.group("Look at what changes", () =>
    plan(stack, manifest, options, engine),
  );
  const { images, differences } = planned;
  const masker = new Masker();
  for (const model of [stack.model, planned.model]) maskModel(model, { ...dependencies, masker });
  draft.rehearsal = { ...draft.rehearsal, differences, imageLines: planned.lines };
  for (const line of differences) reporter.info(`also different: ${line}`);
  draft.facts = { ...draft.facts, ...fromTo(images) };
  if (Object.keys(images).length === 0 && differences.length === 0) return { result: "unchanged" };
  const workbench = await host.workbench(operationId, dependencies);
  await requireDisk(manifest, engine);
  requireMemory(options);
  phases.begin("pull");
  const ids = await reporter.group("Pull the images", async () => {
    await pullOld(engine, manifest.services, dependencies);
    return await pullNew(engine, images, dependencies);
  });
  if (Object.keys(ids).length === 0 && differences.length === 0) return { result: "unchanged" };
  draft.facts = { ...draft.facts, services: await rehearsedChanges(engine, images, ids) };
  const services = recordedServices(draft.facts.services ?? [], images, ids);
  const reused = await earlier(draft, { manifest, services, options, model: planned.model }, clock);
  if (reused !== undefined) return reused;
  const imageBytes = await imageSizes(engine, images, ids);
  const declared = await declaredByImages(engine, images, ids, planned.model);
  draft.rehearsal = { ...draft.rehearsal, imageBytes, requires: declared };
  const context = { host, dependencies, containers: workbench.containers };
  await requireVersions(context, manifest, images, ids);
  const trial = {
    ...{ stack, manifest, source, operationId, workbench, options, masker, images: ids },
    stores: storesOf(manifest),
    model: differences.length === 0 ? undefined : planned.model,
  };
  const { value: tried, live } = await watchingOver(
    manifest.project,
    engine,
    dependencies,
    (watched) => tryInClone(trial, phases, { ...dependencies, signal: watched }),
  );
  draft.checks = tried.checks;
  draft.rehearsal = { ...draft.rehearsal, ...tried.rehearsal, requires: both(declared, tried) };
  const outcome = verdictOfRehearsal(tried.findings);
  const { lastLines, histories } = tried;
  const prediction =
    outcome.result === "passed" ? await predictionOf(found, manifest, tried) : undefined;
  const path = keepRecord(
    found,
    {
      ...{ id: operationId, result: outcome.result, manifest, prediction, options },
      ...{ manifestSha256, seconds: phases.seconds(), heads: headsOf(histories ?? {}) },
      services,
      model: planned.model,
    },
    dependencies,
  );
  draft.rehearsal = {
    ...draft.rehearsal,
    ...(prediction === undefined ? {} : { prediction }),
    ...(path === undefined ? {} : { record: path }),
    ...(live === undefined ? {} : { live }),
  };
  return outcome.result === "failed" ? { ...outcome, lastLines } : outcome;
}

/** The answer of an earlier rehearsal of the same, if one is accepted. */
async function earlier(
  draft: Draft,
  wanted: Pick<Parameters<typeof earlierRehearsal>[1], "manifest" | "services" | "options"> & {
    readonly model: ComposeModel;
  },
  clock: Dependencies["clock"],
): Promise<Outcome | undefined> {
  const { model, ...rest } = wanted;
  const modelSha256 = hashOfModel(model);
  const found = await earlierRehearsal(draft.found, { ...rest, modelSha256 }, clock.now());
  if (found === undefined) return undefined;
  const { id, at, backupId, prediction } = found.record;
  const detail = `${id} passed at ${at} on ${backupId}`;
  draft.checks = [{ name: "earlier rehearsal", status: "pass", detail }];
  draft.rehearsal = {
    ...{ ...draft.rehearsal, record: found.path },
    ...(prediction === undefined ? {} : { prediction }),
  };
  return { result: "passed" };
}

/** What the images declare, and what their logs miss. */
function both(declared: NonNullable<Rehearsal["requires"]>, { rehearsal }: Tried) {
  const environment = [...declared.environment, ...(rehearsal.requires?.environment ?? [])];
  return { ...declared, environment: [...new Set(environment)] };
}

function recordedServices(
  changes: NonNullable<Result["services"]>,
  images: RehearsedImages,
  ids: Readonly<Record<string, string>>,
) {
  return Object.fromEntries(
    changes.map(({ service, from, to, toDigest }) => {
      const [fromId, toId] = [images[service]?.fromId ?? "", ids[service] ?? ""];
      return [service, { from, fromId, to, toId, toDigest }];
    }),
  );
}

/**
 * Reads the manifest and compares every checksum.
 *
 * @throws DamagedError or UnverifiableError that says what is wrong with the backup.
 */
async function readBackup(
  draft: Draft,
  source: SourceOptions,
  dependencies: RehearsalDependencies,
): Promise<{ readonly manifest: Manifest; readonly manifestSha256: string }> {
  const { found, operationId } = draft;
  const request = { found, level: "checksum", source, operationId } as const;
  const none = async () => [];
  const verification = await verifyLevelsOf({ ...request, checkRestore: none }, dependencies);
  const { manifest, manifestSha256 = "", verdict, checks } = verification;
  const warning = await record(found, verification, dependencies);
  if (warning !== undefined) dependencies.reporter.warning(warning);
  const sealed =
    manifest === undefined ? [] : [await checkSealed(source, manifest, dependencies.signal)];
  const bad = sealed.find(({ status }) => status !== "pass");
  if (manifest !== undefined && verdict === "verified" && bad === undefined) {
    return { manifest, manifestSha256 };
  }
  draft.checks = [...checks, ...sealed];
  const isDamaged = verdict === "damaged" || bad?.status === "fail";
  const why = failureOf(verdict === "verified" ? sealed : checks);
  const hint =
    bad?.status === "unverifiable"
      ? "A pull request of Dependabot sees only the secrets of Dependabot: add the identity there, too."
      : "`sophon-keeper list` shows the other backups of this host.";
  if (!isDamaged) throw new UnverifiableError(`the backup cannot be read: ${why}`, { hint });
  throw new KeeperError(exitCodes.damaged, "damaged", `the backup is damaged: ${why}`, { hint });
}

function stale(ageMs: number, maxAgeMs: number): Outcome {
  const [age, limit] = [formatSeconds(ageMs / 1000), formatSeconds(maxAgeMs / 1000)];
  return {
    result: "stale",
    reason: {
      class: "stale",
      message: `the backup is ${age} old; max-age is ${limit}`,
      hint: "Find out why there is no newer backup, give a longer max-age, or use backup: fresh on the host of the stack.",
    },
  };
}

/** What is to be tried. */
interface Planned {
  readonly images: RehearsedImages;
  /** The new definition of the stack, and how it differs in more than images. */
  readonly model: ComposeModel;
  readonly differences: readonly string[];
  /** Where the new files name the images. */
  readonly lines: NonNullable<Rehearsal["imageLines"]>;
}

async function plan(
  stack: StackSource,
  manifest: Manifest,
  options: Options,
  engine: Engine,
): Promise<Planned> {
  if (Object.keys(options.images).length > 0) {
    const images = changedImages(options.images, manifest, undefined);
    return { images, model: stack.model, differences: [], lines: [] };
  }
  const { model, files } = await readNewFiles(stack, options, engine, process.cwd());
  const images = changedImages({}, manifest, model);
  const lines = await imageLines(images, files);
  return { images, model, differences: modelDifferences(stack.model, model), lines };
}

function fromTo(images: RehearsedImages): Pick<Result, "from" | "to"> {
  const entries = Object.entries(images);
  return {
    from: Object.fromEntries(entries.map(([service, { from }]) => [service, from])),
    to: Object.fromEntries(entries.map(([service, { to }]) => [service, to])),
  };
}
