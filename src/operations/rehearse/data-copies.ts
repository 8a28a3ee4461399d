import { join } from "node:path";
import { formatBytes } from "../../core/format.ts";
import { type TaskPlace, type TaskRunner, taskMount } from "../../core/task.ts";
import { deltaTask, preCopyTask, putBackTask } from "../../rollback-copy/tasks.ts";
import { measureTrees } from "../../stores/tree/size.ts";
import type { Clone, ClonePlace } from "../clone/clone.ts";
import type { Dependencies } from "../session/command.ts";
import type { Template } from "./template.ts";

/** A volume of the clone, the volume that holds its rollback copy, and where the put back moves what it replaces. */
interface DataCopy {
  readonly of: ClonePlace;
  readonly kept: ClonePlace;
  readonly aside: { readonly place: ClonePlace; readonly path: string };
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

  /** Copies every volume of a stopped clone, into a template if there is one. */
  static async make(
    clone: Pick<Clone, "places" | "addVolume">,
    template: Pick<Template, "addVolume"> | undefined,
    tasks: TaskRunner,
    dependencies: CopyDependencies,
  ): Promise<DataCopies> {
    const { reporter, signal } = dependencies;
    const copies: DataCopy[] = [];
    const aside = template === undefined ? undefined : await clone.addVolume("aside");
    for (const [at, of] of (await clone.places()).entries()) {
      const kept = await (template === undefined
        ? clone.addVolume(`copy_${at}`)
        : template.addVolume());
      const one = copyOf(of, kept, aside ?? kept, at);
      copies.push(one);
      const paths = { source: of.source, copy: copyIn(one) };
      const { copiedBytes } = await tasks.run(preCopyTask, paths, placeOf(one), signal);
      await tasks.run(deltaTask, paths, placeOf(one), signal);
      reporter.info(`${of.volume ?? of.source}: ${formatBytes(copiedBytes)} copied`);
    }
    return new DataCopies(copies, tasks, dependencies);
  }

  /**
   * Fills the volumes of a new clone from a template. Its copies are the clone's rollback copies from then on.
   *
   * @throws an error if the template is not exact, or not of such a clone.
   */
  static async fill(
    clone: Pick<Clone, "places" | "addVolume">,
    template: Pick<Template, "places">,
    tasks: TaskRunner,
    dependencies: CopyDependencies,
  ): Promise<DataCopies> {
    const places = await clone.places();
    if (places.length !== template.places.length) {
      throw new Error(`it has ${template.places.length} volumes, the clone ${places.length}`);
    }
    const aside = await clone.addVolume("aside");
    const copies = template.places.map((kept, at) => copyOf(places[at] ?? kept, kept, aside, at));
    const all = new DataCopies(copies, tasks, dependencies);
    await all.putBack();
    return all;
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
    // After a power cut there is no clone that would need its data.
    const isFlushed = false;
    for (const one of this.#copies) {
      const aside = one.aside.path;
      const paths = { source: one.of.source, copy: copyIn(one), aside, isFlushed };
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

function copyOf(of: ClonePlace, kept: ClonePlace, place: ClonePlace, at: number): DataCopy {
  return { of, kept, aside: { place, path: join(place.source, `aside-${at}`) } };
}

function placeOf({ of, kept, aside }: DataCopy): TaskPlace {
  return {
    mounts: [...new Set([of, kept, aside.place])].map((one) => taskMount(one, false)),
  };
}
