import type { Masker } from "../../core/secrets.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Rehearsal } from "../../model/rehearsal.ts";
import type { Check, Reason, Result, ResultName } from "../../model/result.ts";
import type { ComposeModel } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { RehearsalTold } from "../../repository/rehearsals.ts";
import type { Engine } from "../../stack/engine.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import type { StackSource } from "../fill/stack-source.ts";
import type { Dependencies } from "../session/command.ts";
import type { Workbench } from "../session/host.ts";
import { headsOf } from "../upgrade/require-rehearsal.ts";
import type { FoundBackup } from "../verify/find-backup.ts";
import { earlierRehearsal } from "./earlier-rehearsal.ts";
import { tryInClone } from "./in-clone.ts";
import { hashOfModel, keepRecord } from "./keep-record.ts";
import type { KeptData } from "./kept-data.ts";
import type { Phases } from "./phases.ts";
import { predictionOf } from "./predict-downtime.ts";
import { imageSizes, requireVersions } from "./rehearsal-preflight.ts";
import { verdictOfRehearsal } from "./rehearsal-verdict.ts";
import { pullNew, pullOld, type RehearsedImages, rehearsedChanges } from "./rehearsed-images.ts";
import { declaredByImages } from "./required.ts";
import { UnusableTemplateError } from "./template.ts";
import type { TrialDependencies, Tried } from "./trial.ts";
import { watchingOver } from "./watchdog.ts";

/** What a rehearsal or one of its candidates came to. */
export interface Outcome {
  readonly result: ResultName;
  readonly reason?: Reason;
  readonly lastLines?: Readonly<Record<string, readonly string[]>>;
}

/** What is known so far, whatever ends it. */
export interface Draft {
  facts: Partial<Result>;
  checks: readonly Check[];
  rehearsal: Rehearsal;
}

/** What a version is tried on. */
export interface Subject {
  readonly found: FoundBackup;
  readonly manifest: Manifest;
  readonly manifestSha256: string;
  readonly source: SourceOptions;
  readonly stores: readonly BackedUpStore[];
  readonly stack: StackSource;
  readonly options: Options;
  readonly masker: Masker;
  readonly engine: Engine;
  readonly workbench: Workbench;
  readonly kept: KeptData;
  readonly phases: Phases;
  readonly operationId: string;
}

/** A new version of the stack. */
export interface Version {
  /** The id of its record. */
  readonly id: string;
  readonly images: RehearsedImages;
  /** The new definition of the stack, and how it differs in more than images. */
  readonly model: ComposeModel;
  readonly differences: readonly string[];
}

/**
 * Pulls a new version, tries it in a clone, and keeps the record of its verdict. What is known is added to the draft.
 *
 * @throws RefusedError for a version that cannot take over the data; UnverifiableError if something is missing.
 */
export async function tryVersion(
  draft: Draft,
  { id, images, model, differences }: Version,
  subject: Subject,
  dependencies: TrialDependencies,
): Promise<Outcome> {
  const { found, manifest, manifestSha256, options, engine, workbench, phases } = subject;
  const { host, reporter } = dependencies;
  phases.begin("pull");
  const ids = await reporter.group("Pull the images", async () => {
    await pullOld(engine, manifest.services, dependencies);
    return await pullNew(engine, images, dependencies);
  });
  if (Object.keys(ids).length === 0 && differences.length === 0) return { result: "unchanged" };
  draft.facts = { ...draft.facts, services: await rehearsedChanges(engine, images, ids) };
  const services = recordedServices(draft.facts.services ?? [], images, ids);
  const wanted = { found, manifest, manifestSha256, services, options, model };
  const reused = await earlier(draft, wanted, dependencies);
  if (reused !== undefined) return reused;
  const imageBytes = await imageSizes(engine, images, ids);
  const declared = await declaredByImages(engine, images, ids, model);
  draft.rehearsal = { ...draft.rehearsal, imageBytes, requires: declared };
  const context = { host, dependencies, containers: workbench.containers };
  await requireVersions(context, manifest, images, ids);
  const newModel = differences.length === 0 ? undefined : model;
  const { value: tried, live } = await tryOnKept(
    subject,
    { images: ids, model: newModel },
    dependencies,
  );
  draft.checks = tried.checks;
  draft.rehearsal = { ...draft.rehearsal, ...tried.rehearsal, requires: both(declared, tried) };
  const outcome = verdictOfRehearsal(tried.findings);
  const { rolledBack = [] } = tried.findings;
  if (rolledBack.some(({ status }) => status !== "pass")) subject.kept.distrust();
  const { lastLines, histories } = tried;
  const prediction =
    outcome.result === "passed" ? await predictionOf(found, manifest, tried) : undefined;
  const path = keepRecord(
    found,
    {
      ...{ id, result: outcome.result, manifest, prediction, options, services, model },
      ...{ manifestSha256, seconds: phases.seconds(), heads: headsOf(histories ?? {}) },
      told: toldOf(draft.rehearsal),
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

/** Tries it in a clone that is filled from the kept data, and restores the backup if that is not usable. */
async function tryOnKept(
  subject: Subject,
  version: {
    readonly images: Readonly<Record<string, string>>;
    readonly model: ComposeModel | undefined;
  },
  dependencies: TrialDependencies,
) {
  const { manifest, engine, kept, phases, stack, source, workbench, options, masker } = subject;
  const { operationId, stores } = subject;
  const trial = {
    ...{ stack, manifest, source, workbench, options, masker, operationId, stores, ...version },
  };
  const once = () =>
    watchingOver(manifest.project, engine, dependencies, (watched) =>
      tryInClone({ ...trial, template: kept.template }, phases, {
        ...dependencies,
        signal: watched,
      }),
    );
  try {
    return await once();
  } catch (error) {
    if (!(error instanceof UnusableTemplateError)) throw error;
    await kept.renew(error.message);
    return await once();
  }
}

/** The answer of an earlier rehearsal of the same, if one is accepted. */
async function earlier(
  draft: Draft,
  wanted: Omit<Parameters<typeof earlierRehearsal>[1], "modelSha256" | "toolVersion"> & {
    readonly found: FoundBackup;
    readonly model: ComposeModel;
  },
  { clock, version: toolVersion }: Pick<Dependencies, "clock" | "version">,
): Promise<Outcome | undefined> {
  const { model, found: backup, ...rest } = wanted;
  const modelSha256 = hashOfModel(model);
  const exact = { ...rest, modelSha256, toolVersion };
  const found = await earlierRehearsal(backup, exact, clock.now());
  if (found === undefined) return undefined;
  const { id, at, backupId, prediction, told } = found.record;
  const detail = `${id} passed at ${at} on ${backupId}`;
  draft.checks = [{ name: "earlier rehearsal", status: "pass", detail }];
  draft.rehearsal = {
    ...{ ...draft.rehearsal, ...told, record: found.path },
    ...(prediction === undefined ? {} : { prediction }),
  };
  return { result: "passed" };
}

/** What a record repeats to a later reviewer. */
function toldOf(rehearsal: Rehearsal): RehearsalTold {
  const { control, upgrade, schema, rows, requires, newLogTemplates } = rehearsal;
  const { memoryPeakBytes, diskPeakBytes, imageBytes, rollBack, omitted } = rehearsal;
  const all = {
    ...{ control, upgrade, schema, rows, requires, newLogTemplates },
    ...{ memoryPeakBytes, diskPeakBytes, imageBytes, rollBack, omitted },
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
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
