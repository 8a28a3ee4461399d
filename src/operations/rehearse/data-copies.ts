import { join } from "node:path";
import { formatBytes } from "../../core/format.ts";
import type { TaskPlace, TaskRunner } from "../../core/task.ts";
import { deltaTask, preCopyTask, putBackTask } from "../../rollback-copy/tasks.ts";
import { measureTrees } from "../../stores/tree/size.ts";
import type { Clone, ClonePlace } from "../clone/clone.ts";
import type { Dependencies } from "../session/command.ts";

/** A volume of the clone and the volume that holds its rollback copy. */
interface DataCopy {
  readonly of: ClonePlace;
  readonly kept: ClonePlace;
}

type CopyDependencies = Pick<Dependencies, "reporter" | "signal">;

/** The rollback copies of a clone: made and put back by the same programs as those of a live upgrade. */
export class DataCopies {
  readonly #tasks: TaskRunner;
  readonly #dependencies: CopyDependencies;
  readonly #copies: readonly DataCopy[];

  private constructor(
    copies: readonly DataCopy[],
    tasks: TaskRunner,
    dependencies: CopyDependencies,
  ) {
    this.#copies = copies;
    this.#tasks = tasks;
    this.#dependencies = dependencies;
  }

  /** Copies every volume of a stopped clone. */
  static async make(
    clone: Pick<Clone, "places" | "addVolume">,
    tasks: TaskRunner,
    dependencies: CopyDependencies,
  ): Promise<DataCopies> {
    const { reporter, signal } = dependencies;
    const copies: DataCopy[] = [];
    for (const [at, of] of (await clone.places()).entries()) {
      const one = { of, kept: await clone.addVolume(`copy_${at}`) };
      copies.push(one);
      const paths = { source: of.source, copy: copyIn(one) };
      const { copiedBytes } = await tasks.run(preCopyTask, paths, placeOf(one), signal);
      await tasks.run(deltaTask, paths, placeOf(one), signal);
      reporter.info(`${of.volume ?? of.source}: ${formatBytes(copiedBytes)} copied`);
    }
    return new DataCopies(copies, tasks, dependencies);
  }

  /** What the data and the copies use on disk now. */
  async bytes(): Promise<number> {
    const { signal } = this.#dependencies;
    const paths = this.#copies.flatMap(({ of, kept }) => [of.source, kept.source]);
    const mounts = this.#copies.flatMap((one) => placeOf(one).mounts);
    const sizes = await this.#tasks.run(measureTrees, { paths }, { mounts }, signal);
    return sizes.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Makes every volume of the stopped clone what it was. */
  async putBack(): Promise<void> {
    const { signal, reporter } = this.#dependencies;
    for (const one of this.#copies) {
      const aside = join(one.kept.source, "aside");
      const paths = { source: one.of.source, copy: copyIn(one), aside };
      const done = await this.#tasks.run(putBackTask, paths, placeOf(one), signal);
      reporter.info(
        `${one.of.volume ?? one.of.source}: ${done.copied} paths restored, ${done.removed} removed`,
      );
    }
  }
}

function copyIn({ kept }: DataCopy): string {
  return join(kept.source, "copy");
}

function placeOf({ of, kept }: DataCopy): TaskPlace {
  return {
    mounts: [of, kept].map(({ source, volume }) => ({
      ...{ path: source, readOnly: false },
      ...(volume === undefined ? {} : { volume }),
    })),
  };
}
