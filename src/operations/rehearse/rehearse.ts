import { randomBytes } from "node:crypto";
import { exitCodes, KeeperError, UnverifiableError } from "../../core/errors.ts";
import { formatSeconds } from "../../core/format.ts";
import { goBehind } from "../../core/niceness.ts";
import { Masker } from "../../core/secrets.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Rehearsal } from "../../model/rehearsal.ts";
import type { Result } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import { livingHolders } from "../../repository/holds.ts";
import type { Engine } from "../../stack/engine.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import { openStackSource, type StackSource } from "../fill/stack-source.ts";
import type { Dependencies } from "../session/command.ts";
import { removeDeadClones } from "../session/dead-clones.ts";
import { hold } from "../session/hold.ts";
import type { FoundBackup } from "../verify/find-backup.ts";
import { failureOf, record, verifyLevelsOf } from "../verify/levels.ts";
import { checkSealed } from "../verify/sealed-manifest.ts";
import { readNewFiles } from "./checkout.ts";
import { chooseBackup } from "./choose-backup.ts";
import { requireMemory } from "./clone-use.ts";
import { imageLines } from "./image-lines.ts";
import { KeptData } from "./kept-data.ts";
import { maskModel } from "./mask-secrets.ts";
import { modelDifferences } from "./model-differences.ts";
import { outcomeIn } from "./outcome-in.ts";
import { Phases } from "./phases.ts";
import { requireDisk } from "./rehearsal-preflight.ts";
import { changedImages, type RehearsedImages } from "./rehearsed-images.ts";
import type { RehearsalHost } from "./trial.ts";
import { tryCandidates } from "./try-candidates.ts";
import { type Draft, type Outcome, tryVersion, type Version } from "./try-version.ts";

type RehearsalDependencies = Dependencies & { readonly host: RehearsalHost };

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
  goBehind();
  const phases = new Phases(clock);
  phases.begin("look");
  const found = await chooseBackup(options, dependencies);
  const operationId = `rehearsal-${randomBytes(4).toString("hex")}`;
  const draft: Draft = {
    ...{ checks: [], facts: { backupId: found.id, path: found.directory } },
    rehearsal: { source: found.id, backupAgeSeconds: 0 },
  };
  await removeDeadClones(dependencies);
  await using _held = await hold(found, operationId, dependencies);
  try {
    const run = { found, phases, operationId };
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
  readonly found: FoundBackup;
  readonly phases: Phases;
  readonly operationId: string;
}

async function played(
  draft: Draft,
  run: Run,
  options: Options,
  dependencies: RehearsalDependencies,
): Promise<Outcome> {
  const { host, reporter, signal, clock } = dependencies;
  const { found, operationId } = run;
  const source = {
    ...{ directory: found.directory, identities: options.identity },
    passphrase: options.passphrase,
  };
  const { manifest, manifestSha256 } = await readBackup(draft, run, source, dependencies);
  const ageMs = clock.now().getTime() - new Date(manifest.createdAt).getTime();
  draft.rehearsal = { ...draft.rehearsal, backupAgeSeconds: Math.round(ageMs / 1000) };
  const { maxAgeMs } = options;
  if (maxAgeMs !== undefined && ageMs > maxAgeMs) return stale(ageMs, maxAgeMs);
  await using stack = await openStackSource(manifest, source, signal);
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
      ...{ ...run, manifest, manifestSha256, source, stack, options },
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

/**
 * Reads the manifest and compares every checksum.
 *
 * @throws DamagedError or UnverifiableError that says what is wrong with the backup.
 */
async function readBackup(
  draft: Draft,
  { found, operationId }: Run,
  source: SourceOptions,
  dependencies: RehearsalDependencies,
): Promise<{ readonly manifest: Manifest; readonly manifestSha256: string }> {
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
