import { randomBytes } from "node:crypto";
import { formatSeconds } from "../../core/format.ts";
import { goBehind } from "../../core/niceness.ts";
import { Masker } from "../../core/secrets.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Rehearsal } from "../../model/rehearsal.ts";
import type { Result } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import { livingHolders } from "../../repository/holds.ts";
import type { Engine } from "../../stack/engine.ts";
import type { StackSource } from "../fill/stack-source.ts";
import type { Dependencies } from "../session/command.ts";
import { removeDeadClones } from "../session/dead-clones.ts";
import { hold } from "../session/hold.ts";
import type { FoundBackup } from "../verify/find-backup.ts";
import { readNewFiles } from "./checkout.ts";
import { requireMemory } from "./clone-use.ts";
import { imageLines } from "./image-lines.ts";
import { KeptData } from "./kept-data.ts";
import { maskModel } from "./mask-secrets.ts";
import { modelDifferences } from "./model-differences.ts";
import { outcomeIn } from "./outcome-in.ts";
import { Phases } from "./phases.ts";
import { requireDisk } from "./rehearsal-preflight.ts";
import { ownBackup, type RehearsedBackup } from "./rehearsed-backup.ts";
import { changedImages, type RehearsedImages } from "./rehearsed-images.ts";
import type { TrialDependencies } from "./trial.ts";
import { tryCandidates } from "./try-candidates.ts";
import { type Draft, type Outcome, tryVersion, type Version } from "./try-version.ts";

/**
 * Rehearses an upgrade on a clone of a backup. Takes no lock of the live stack and changes nothing of it; the stack need
 * not be on this host.
 *
 * `passed`, `failed` (a check of the upgrade or the rollback), `damaged` (the backup does not restore), `unverifiable`
 * (something could not be checked), `stale` (the backup is too old), `unchanged` (there is no new image).
 *
 * @param given - the backup, if it is not one of this tool that `backup` names
 * @throws RefusedError for inputs or a backup that cannot be used; CancelledError when cancelled.
 */
export async function rehearse(
  options: Options,
  dependencies: TrialDependencies,
  given?: RehearsedBackup,
): Promise<Result> {
  const { clock } = dependencies;
  goBehind();
  const phases = new Phases(clock);
  phases.begin("look");
  const backup = given ?? (await ownBackup(options, dependencies));
  const { found } = backup;
  const operationId = `rehearsal-${randomBytes(4).toString("hex")}`;
  const draft: Draft = {
    ...{ checks: [], facts: {} },
    rehearsal: { source: found.id, backupAgeSeconds: 0 },
  };
  await removeDeadClones(dependencies);
  await using _held = await hold(found, operationId, dependencies);
  try {
    const run = { backup, found, phases, operationId };
    const outcome = await outcomeIn(dependencies, () => played(draft, run, options, dependencies));
    const { facts, checks, rehearsal } = draft;
    const timeline = phases.timeline();
    return { ...facts, ...outcome, checks, rehearsal, timeline, seconds: phases.seconds() };
  } finally {
    // Compose may have created parts for a killed run after the first clean-up.
    await removeDeadClones(dependencies);
  }
}

/** The parts of a run. */
interface Run {
  readonly backup: RehearsedBackup;
  readonly found: FoundBackup;
  readonly phases: Phases;
  readonly operationId: string;
}

async function played(
  draft: Draft,
  run: Run,
  options: Options,
  dependencies: TrialDependencies,
): Promise<Outcome> {
  const { host, reporter, clock } = dependencies;
  const { backup, operationId } = run;
  const { openStack, ...read } = await backup.read(operationId, ({ checks, ...facts }) => {
    draft.facts = { ...draft.facts, ...facts };
    if (checks !== undefined) draft.checks = checks;
  });
  const { manifest, manifestSha256 } = read;
  const ageMs = clock.now().getTime() - new Date(manifest.createdAt).getTime();
  draft.rehearsal = { ...draft.rehearsal, backupAgeSeconds: Math.round(ageMs / 1000) };
  const { maxAgeMs } = options;
  if (maxAgeMs !== undefined && ageMs > maxAgeMs) return stale(ageMs, maxAgeMs);
  await using stack = await openStack();
  const engine = await host.engine();
  const versions = await reporter.group("Look at what changes", () =>
    plan(stack, manifest, options, engine),
  );
  const masker = new Masker();
  for (const model of [stack.model, ...versions.map((one) => one.model)]) {
    maskModel(model, { ...dependencies, masker });
  }
  const changed = versions.filter(isChange);
  const asked = Object.keys(options.candidates).length > 0;
  if (!asked) tellOfVersion(draft, versions, dependencies);
  if (changed.length === 0) return { result: "unchanged" };
  const workbench = await host.workbench(operationId, dependencies);
  const kept = await KeptData.open(
    engine,
    { manifest, manifestSha256, operationId, repository: await heldIn(run), options },
    options,
    changed.length > 1,
    dependencies,
  );
  try {
    await requireDisk(manifest, kept.template?.baseline !== undefined, dependencies);
    requireMemory(options);
    const subject = {
      ...{ ...run, ...read, stack, options },
      ...{ masker, engine, workbench, kept },
    };
    if (asked) return await tryCandidates(draft, versions, subject, dependencies);
    const [version] = versions;
    if (version === undefined) return { result: "unchanged" };
    const given = { ...version, id: operationId };
    return await tryVersion(draft, given, subject, dependencies);
  } finally {
    const template = await kept.close();
    if (template !== undefined) draft.rehearsal = { ...draft.rehearsal, template };
  }
}

/** The repository, if others see there what this run holds: kept data that it uses would be removed otherwise. */
async function heldIn({ found: { repository }, operationId }: Run) {
  const isHeld = repository !== undefined && (await livingHolders(repository)).has(operationId);
  return isHeld ? repository : undefined;
}

function isChange({ images, differences }: Planned): boolean {
  return Object.keys(images).length > 0 || differences.length > 0;
}

/** Tells of the only version that is tried. */
function tellOfVersion(
  draft: Draft,
  versions: readonly Planned[],
  { reporter }: Pick<Dependencies, "reporter">,
): void {
  for (const { images, differences, lines } of versions) {
    draft.rehearsal = { ...draft.rehearsal, differences, imageLines: lines };
    for (const line of differences) reporter.info(`also different: ${line}`);
    draft.facts = { ...draft.facts, ...fromTo(images) };
  }
}

function stale(ageMs: number, maxAgeMs: number): Outcome {
  const [age, limit] = [formatSeconds(ageMs / 1000), formatSeconds(maxAgeMs / 1000)];
  return {
    result: "stale",
    reason: {
      class: "stale",
      message: `the backup is ${age} old; max-age is ${limit}`,
      hint: "Find out why there is no newer backup, give a longer max-age, or use backup: fresh on the host of the stack. There, with recipients, a fresh one is made by itself.",
    },
  };
}

/** A version that is to be tried. */
interface Planned extends Omit<Version, "id"> {
  /** Where the new files name the images. */
  readonly lines: NonNullable<Rehearsal["imageLines"]>;
}

/** The versions to try: one, or one for each candidate in their order. */
async function plan(
  stack: StackSource,
  manifest: Manifest,
  options: Options,
  engine: Engine,
): Promise<readonly Planned[]> {
  const ofBackup = { model: stack.model, differences: [], lines: [] };
  const candidates = Object.entries(options.candidates).flatMap(([service, references]) =>
    references.map((reference) => ({ [service]: reference })),
  );
  if (candidates.length > 0) {
    const others = changedImages(options.images, manifest, { name: "", services: {} });
    return candidates.map((candidate) => {
      const images = changedImages(candidate, manifest, undefined, "candidates");
      return { ...ofBackup, images: { ...others, ...images } };
    });
  }
  if (Object.keys(options.images).length > 0) {
    return [{ ...ofBackup, images: changedImages(options.images, manifest, undefined) }];
  }
  const { model, files } = await readNewFiles(stack, options, engine, process.cwd());
  const images = changedImages({}, manifest, model);
  const lines = await imageLines(images, files);
  return [{ images, model, differences: modelDifferences(stack.model, model), lines }];
}

function fromTo(images: RehearsedImages): Pick<Result, "from" | "to"> {
  const entries = Object.entries(images);
  return {
    from: Object.fromEntries(entries.map(([service, { from }]) => [service, from])),
    to: Object.fromEntries(entries.map(([service, { to }]) => [service, to])),
  };
}
