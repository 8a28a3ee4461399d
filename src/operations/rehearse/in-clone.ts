import { orReason } from "../../core/abort-reason.ts";
import { describeError } from "../../core/errors.ts";
import { taskMount } from "../../core/task.ts";
import type { Check } from "../../model/result.ts";
import { type Clone, openClone } from "../clone/clone.ts";
import { compareHeads } from "../fill/compare.ts";
import {
  type FillRequest,
  fillStores,
  findStoresAtRest,
  migrationsOf,
} from "../fill/fill-stores.ts";
import { schemaPlaces } from "../gate/schema-check.ts";
import { CloneUse } from "./clone-use.ts";
import { DataCopies } from "./data-copies.ts";
import { keepForFiles } from "./file-helpers.ts";
import { maskKeys } from "./mask-secrets.ts";
import type { Phases } from "./phases.ts";
import { Stage } from "./stage.ts";
import { UnusableTemplateError } from "./template.ts";
import type { Trial, TrialDependencies, Tried } from "./trial.ts";

/**
 * Restores a backup into a clone, starts the old images on it, upgrades it, compares, and rolls it back. The clone is
 * removed whatever happens.
 *
 * @throws the reason of the signal if it is aborted; KeeperError if something cannot be checked on this host.
 */
export async function tryInClone(
  trial: Trial,
  phases: Phases,
  given: TrialDependencies,
): Promise<Tried> {
  const { stack, manifest, stores, operationId, workbench } = trial;
  const { reporter, host } = given;
  const { tasks } = workbench;
  phases.begin(trial.template?.baseline === undefined ? "restore" : "clone");
  const request = { stack, manifest, stores, operationId, tasks };
  await using clone = await openClone(request, given);
  for (const line of clone.omitted) reporter.info(`the clone omits ${line}`);
  await reporter.group("Create the clone", () => clone.create());
  await using files = keepForFiles(
    tasks,
    (await clone.places()).map((one) => taskMount(one, false)),
  );
  const kept = { ...trial, workbench: { ...workbench, tasks: files } };
  await using use = new CloneUse(clone, await host.engine(), trial.options, given);
  const dependencies = { ...given, signal: AbortSignal.any([given.signal, use.signal]) };
  return await orReason(dependencies.signal, async () => {
    const tried = await fillAndPlay(clone, kept, phases, dependencies);
    return { ...tried, rehearsal: { ...tried.rehearsal, ...use.measured } };
  });
}

async function fillAndPlay(
  clone: Clone,
  trial: Trial,
  phases: Phases,
  dependencies: TrialDependencies,
): Promise<Tried> {
  const { manifest, stores, workbench, source, masker } = trial;
  const { tasks } = workbench;
  const filling: FillRequest = {
    ...{ target: clone, stores, manifest, source, workbench, dependencies },
    journal: async () => undefined,
  };
  if (trial.template?.baseline !== undefined) {
    return await playFromTemplate(clone, trial, { phases, filling }, dependencies);
  }
  const filled = await fillStores(filling);
  await maskKeys(filled.stores, tasks, { ...dependencies, masker });
  const heads = filled.checks.every(({ status }) => status === "pass")
    ? compareHeads("schema head", manifest.schemaHeads, await migrationsOf(filled.stores, filling))
    : [];
  const restored = [...filled.checks, ...heads];
  const places = schemaPlaces({ stores: filled.stores });
  const stage = new Stage(trial, clone, filling, { ...filled, places }, dependencies);
  const nothing = { checks: restored, lastLines: {}, rehearsal: { omitted: clone.omitted } };
  if (!restored.every(({ status }) => status === "pass"))
    return { ...nothing, findings: { restored } };
  const tried = await stage.play(phases);
  phases.begin("clean-up");
  return {
    ...tried,
    findings: { restored, ...tried.findings },
    checks: [...restored, ...tried.checks],
    rehearsal: { omitted: clone.omitted, ...tried.rehearsal },
  };
}

/** Fills the clone from the trial's template and plays the phases from the upgrade on. */
async function playFromTemplate(
  clone: Clone,
  trial: Trial,
  { phases, filling }: { readonly phases: Phases; readonly filling: FillRequest },
  dependencies: TrialDependencies,
): Promise<Tried> {
  const { template, masker } = trial;
  const { tasks } = trial.workbench;
  if (template?.baseline === undefined) throw new Error("the template is not filled");
  const { postgres } = template.baseline.databases;
  const copies = await dependencies.reporter
    .group("Fill the clone from the kept copy of the restored data", () =>
      DataCopies.fill(clone, template, tasks, dependencies),
    )
    .catch((cause: unknown) => {
      dependencies.signal.throwIfAborted();
      throw new UnusableTemplateError(`${template.id}: ${describeError(cause)}`, { cause });
    });
  const stores = await findStoresAtRest(filling);
  await maskKeys(stores, tasks, { ...dependencies, masker });
  const { sqlite } = schemaPlaces({ stores });
  const filled = { stores, places: { sqlite, postgres } };
  const kept = trial.stores.map(({ name }): Check => {
    const detail = "every file is as it was after the control";
    return { name: "kept data", component: name, status: "pass", detail };
  });
  const stage = new Stage(trial, clone, filling, filled, dependencies);
  const tried = await stage.play(phases, copies);
  phases.begin("clean-up");
  return {
    ...tried,
    findings: { restored: kept, ...tried.findings },
    checks: [...kept, ...tried.checks],
    rehearsal: { omitted: clone.omitted, ...tried.rehearsal },
  };
}
