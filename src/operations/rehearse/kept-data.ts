import { describeError } from "../../core/errors.ts";
import type { Options } from "../../options/parse.ts";
import { projectContainers } from "../../stack/discovery.ts";
import type { Engine } from "../../stack/engine.ts";
import { tooLittleFree } from "../../stack/engine-space.ts";
import type { Dependencies } from "../session/command.ts";
import { removeOlderTemplates, Template, type TemplateSource } from "./template.ts";

/** The restored data of one run: taken from an earlier run, shared by its candidates, kept for a later one. */
export class KeptData {
  readonly #engine: Engine;
  readonly #source: TemplateSource;
  readonly #most: number;
  readonly #isShared: boolean;
  readonly #dependencies: Dependencies;
  #template: Template | undefined;
  #isUsed: boolean = false;
  #isTrusted = true;

  private constructor(
    engine: Engine,
    source: TemplateSource,
    most: number,
    isShared: boolean,
    dependencies: Dependencies,
  ) {
    this.#engine = engine;
    this.#source = source;
    this.#most = most;
    this.#isShared = isShared;
    this.#dependencies = dependencies;
  }

  /**
   * Takes a template of an earlier run, or begins one if it will be needed.
   *
   * @param isShared - several clones of this run need the data
   */
  static async open(
    engine: Engine,
    source: TemplateSource,
    { templateKeep }: Pick<Options, "templateKeep">,
    isShared: boolean,
    dependencies: Dependencies,
  ): Promise<KeptData> {
    const isLiveHost = async () =>
      (await projectContainers(engine, source.manifest.project)).length > 0;
    const most = templateKeep ?? ((await isLiveHost()) ? 1 : 0);
    const kept = new KeptData(engine, source, most, isShared, dependencies);
    kept.#template = most === 0 ? undefined : await Template.claim(engine, source, dependencies);
    kept.#isUsed = kept.#template !== undefined;
    if (kept.#template === undefined) kept.#begin();
    return kept;
  }

  /** From which the next clone is filled, or which it fills; undefined if the data is not needed again. */
  get template(): Template | undefined {
    return this.#template;
  }

  /** Gives up a template whose data is not what it should be: the next clone restores the backup. */
  async renew(why: string): Promise<void> {
    this.#dependencies.reporter.warning(
      `the kept copy of the restored data is not usable, the backup is restored: ${why}`,
    );
    await this.#template?.discard();
    this.#isUsed = false;
    this.#begin();
  }

  /** The data was not put back as it was: it is not kept for another run. */
  distrust(): void {
    this.#isTrusted = false;
  }

  /** Keeps the data for the next run, or removes it. Never throws. */
  async close(): Promise<{ readonly used: boolean; readonly kept: boolean } | undefined> {
    const template = this.#template;
    this.#template = undefined;
    try {
      const isFull = template !== undefined && (await tooLittleFree(this.#engine)) !== undefined;
      const most = isFull || !this.#isTrusted ? 0 : this.#most;
      const kept = (await template?.release(most, this.#dependencies)) ?? false;
      await removeOlderTemplates(this.#engine, this.#source, this.#most);
      return this.#isUsed || kept ? { used: this.#isUsed, kept } : undefined;
    } catch (error) {
      // The next run of any mode removes what is left.
      const { reporter } = this.#dependencies;
      reporter.warning(`the restored data could not be kept or removed: ${describeError(error)}`);
      return undefined;
    }
  }

  #begin(): void {
    const isKept = this.#most > 0 && this.#source.repository !== undefined;
    this.#template =
      isKept || this.#isShared ? Template.begin(this.#engine, this.#source) : undefined;
  }
}
