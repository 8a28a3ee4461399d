import { relative } from "node:path";
import { type FileReport, root } from "./report.ts";

const shown = 25;

/** What took how long, to be told at the end of a run. */
export class Timings {
  readonly #phases: { readonly name: string; readonly seconds: number }[] = [];
  readonly #files: { readonly name: string; readonly seconds: number }[] = [];

  /** A part of the run as a whole. */
  phase(name: string, seconds: number): void {
    this.#phases.push({ name, seconds });
  }

  /** The files of a part, those that nothing was run of left out. */
  files(project: string, reports: readonly FileReport[]): void {
    for (const { name, startTime, endTime } of reports) {
      const seconds = (endTime - startTime) / 1000;
      if (seconds > 0) this.#files.push({ name: `${project}: ${relative(root, name)}`, seconds });
    }
  }

  /** Prints the phases and the slowest files. */
  print(): void {
    const files = this.#files.toSorted((a, b) => b.seconds - a.seconds);
    console.log("\nWhere the time went (phases and files may run side by side):");
    for (const one of [...this.#phases, ...files.slice(0, shown)]) {
      console.log(`${one.seconds.toFixed(1).padStart(7)} s  ${one.name}`);
    }
    const rest = files.slice(shown).reduce((sum, { seconds }) => sum + seconds, 0);
    if (files.length > shown) {
      console.log(`${rest.toFixed(1).padStart(7)} s  ${files.length - shown} other files`);
    }
    console.log("");
  }
}
