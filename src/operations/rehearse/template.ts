import { isDeepStrictEqual } from "node:util";
import { describeError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Options } from "../../options/parse.ts";
import type { Repository } from "../../repository/repository.ts";
import {
  beginTemplate,
  claimTemplate,
  forgetTemplate,
  offeredTemplates,
  offerTemplate,
  type TemplateRecord,
} from "../../repository/template-records.ts";
import type { Engine } from "../../stack/engine.ts";
import {
  createTemplateVolume,
  listTemplateVolumes,
  removeTemplateVolumes,
  templateMountpoint,
} from "../../stack/template-volumes.ts";
import type { ClonePlace } from "../clone/clone.ts";
import type { Dependencies } from "../session/command.ts";

/** What the old images showed on the data of a template. */
export type Baseline = TemplateRecord["baseline"] & {
  readonly databases: NonNullable<TemplateRecord["baseline"]["databases"]>;
};

/** What a template is made of, and by whose rules. */
export interface TemplateSource {
  readonly manifest: Pick<Manifest, "id" | "project">;
  readonly manifestSha256: string;
  readonly operationId: string;
  /** Undefined for a backup outside of a repository: no later rehearsal would find its template. */
  readonly repository: Pick<Repository, "path"> | undefined;
  readonly options: Pick<Options, "cloneHealth" | "logAllow" | "logDeny">;
}

type TemplateDependencies = Pick<Dependencies, "clock" | "version" | "reporter">;

/** The data of a template is not what its record says. The backup is restored instead. */
export class UnusableTemplateError extends Error {}

/**
 * The restored data of a backup at the moment before the upgrade: the rollback copy of the first clone, from which later
 * clones are filled without a restore. It belongs to one operation at a time. A template is offered to later rehearsals
 * only when it is whole; whatever happens before, the next run of any mode removes it.
 */
export class Template {
  readonly id: string;
  /** The volumes with the copies, in the order of the clone's places. */
  readonly places: readonly ClonePlace[];
  readonly #added: ClonePlace[];
  readonly #engine: Engine;
  readonly #source: TemplateSource;
  /** Where it is offered; undefined if no later run can find it there. */
  #repository: TemplateSource["repository"];
  #baseline: Baseline | undefined;
  readonly #at: string | undefined;

  private constructor(
    id: string,
    engine: Engine,
    source: TemplateSource,
    known?: {
      readonly places: readonly ClonePlace[];
      readonly baseline: Baseline;
      readonly at: string;
    },
  ) {
    this.id = id;
    this.#engine = engine;
    this.#source = source;
    this.#repository = source.repository;
    this.#added = [...(known?.places ?? [])];
    this.places = this.#added;
    this.#baseline = known?.baseline;
    this.#at = known?.at;
  }

  /** A new, empty template. */
  static begin(engine: Engine, source: TemplateSource): Template {
    return new Template(source.operationId.replace(/^[a-z]+/, "template"), engine, source);
  }

  /** Takes the newest template of exactly this backup that this version made by the same rules, if there is one. */
  static async claim(
    engine: Engine,
    source: TemplateSource,
    { version }: Pick<TemplateDependencies, "version">,
  ): Promise<Template | undefined> {
    const { repository, operationId } = source;
    if (repository === undefined) return undefined;
    for (const record of await offeredTemplates(repository)) {
      const { baseline, at } = record;
      if (!isFor(record, source, version) || !isWhole(baseline)) continue;
      const places: ClonePlace[] = [];
      for (const volume of record.volumes) {
        const path = await templateMountpoint(engine, volume);
        if (path !== undefined) places.push({ volume, source: path });
      }
      if (places.length !== record.volumes.length) continue;
      if (!(await claimTemplate(repository, record.id, operationId))) continue;
      return new Template(record.id, engine, source, { places, baseline, at });
    }
    return undefined;
  }

  /** What the old images showed on the data; undefined as long as the template is not filled. */
  get baseline(): Baseline | undefined {
    return this.#baseline;
  }

  /** Creates the volume for another place of the clone. */
  async addVolume(): Promise<ClonePlace> {
    const { manifest, operationId } = this.#source;
    if (this.#added.length === 0 && this.#repository !== undefined) {
      try {
        beginTemplate(this.#repository, this.id, operationId);
      } catch {
        // A repository that this user can only read offers nothing. The template still serves this run.
        this.#repository = undefined;
      }
    }
    const repository = this.#repository?.path ?? "";
    const owner = { id: this.id, project: manifest.project, repository };
    const volume = await createTemplateVolume(this.#engine, owner, this.#added.length);
    const place = { volume, source: (await templateMountpoint(this.#engine, volume)) ?? "" };
    this.#added.push(place);
    return place;
  }

  /** Every place is copied, and the old images were healthy on the data. */
  fill(baseline: Baseline): void {
    this.#baseline = baseline;
  }

  /**
   * Offers the template to later rehearsals, of which the host keeps as many as `most`, the newest.
   *
   * @returns whether it is kept. One that cannot be kept is removed.
   */
  async release(
    most: number,
    { clock, version, reporter }: TemplateDependencies,
  ): Promise<boolean> {
    const { manifest, manifestSha256, options } = this.#source;
    const repository = this.#repository;
    if (repository === undefined || this.#baseline === undefined || most === 0) {
      await this.discard();
      return false;
    }
    try {
      await offerTemplate(repository, {
        ...{ format: 1, id: this.id, project: manifest.project, toolVersion: version },
        ...{ at: this.#at ?? clock.now().toISOString(), backupId: manifest.id, manifestSha256 },
        rules: rulesOf(options),
        volumes: this.places.flatMap(({ volume }) => volume ?? []),
        baseline: this.#baseline,
      });
    } catch (error) {
      reporter.info(`the restored data is not kept for the next push: ${describeError(error)}`);
      await this.discard();
      return false;
    }
    return true;
  }

  /** Removes the template. */
  async discard(): Promise<void> {
    const names = this.places.flatMap(({ volume }) => volume ?? []);
    const isGone = await removeTemplateVolumes(this.#engine, names);
    this.#added.length = 0;
    this.#baseline = undefined;
    if (isGone && this.#repository !== undefined) await forgetTemplate(this.#repository, this.id);
  }
}

/** Removes the idle templates of a project beyond the newest `most`. */
export async function removeOlderTemplates(
  engine: Engine,
  { repository, manifest: { project } }: Pick<TemplateSource, "repository" | "manifest">,
  most: number,
): Promise<void> {
  if (repository === undefined) return;
  const own = (await offeredTemplates(repository)).filter((one) => one.project === project);
  const older = own.slice(most);
  if (older.length === 0) return;
  const present = await listTemplateVolumes(engine);
  for (const { id } of older) {
    if (!(await claimTemplate(repository, id, "removal"))) continue;
    const names = present.find((one) => one.id === id)?.names ?? [];
    if (await removeTemplateVolumes(engine, names)) await forgetTemplate(repository, id);
  }
}

function isFor(record: TemplateRecord, source: TemplateSource, version: string): boolean {
  const { manifest, manifestSha256, options } = source;
  return (
    record.project === manifest.project &&
    record.backupId === manifest.id &&
    record.manifestSha256 === manifestSha256 &&
    record.toolVersion === version &&
    isDeepStrictEqual(record.rules, rulesOf(options))
  );
}

/** Whether it has what earlier versions did not note. */
function isWhole(baseline: TemplateRecord["baseline"]): baseline is Baseline {
  return baseline.databases !== undefined;
}

function rulesOf({ cloneHealth, logAllow, logDeny }: TemplateSource["options"]) {
  return { cloneHealth, logAllow: [...logAllow], logDeny: [...logDeny] };
}
