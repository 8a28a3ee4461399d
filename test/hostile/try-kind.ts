import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../scripts/bundle.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { makeOriginal, type Original } from "./place.ts";
import type { Row } from "./row.ts";
import { standInEngine } from "./stand-in-engine.ts";
import { tryRow } from "./try-row.ts";

/** A row that fell short, and how. */
export interface Shortfall {
  readonly row: Row;
  readonly problems: readonly string[];
}

/** What rows are tried with: the program as it is shipped, a repository, and an engine on which nothing runs. */
export interface Workshop extends AsyncDisposable {
  readonly original: Original;
  /** Tries rows, some at a time. `onShort` is told of each that falls short. */
  tryRows(rows: readonly Row[], onShort?: (short: Shortfall) => void): Promise<Shortfall[]>;
}

const removeTree = (path: string) => rm(path, { recursive: true, force: true });

/** Builds the program and makes a repository. */
export async function openWorkshop(): Promise<Workshop> {
  await using stack = new AsyncDisposableStack();
  const temporary = stack.use(await temporaryDirectory("sophon-keeper-hostile-"));
  const dist = join(temporary.path, "dist");
  await bundle(dist);
  // The path of a socket has at most 107 bytes.
  const short = stack.adopt(await mkdtemp(join(tmpdir(), "sk-")), removeTree);
  const original = await makeOriginal(temporary.path, join(short, "engine.sock"));
  stack.use(await standInEngine(original.engine));
  const kept = stack.move();
  return {
    original,
    async tryRows(rows, onShort) {
      const left = [...rows];
      const shorts: Shortfall[] = [];
      const work = async () => {
        for (let row = left.shift(); row !== undefined; row = left.shift()) {
          const problems = await tryRow(row, dist, original).catch((error: unknown) => [
            `it could not be tried: ${error instanceof Error ? error.stack : String(error)}`,
          ]);
          if (problems.length === 0) continue;
          shorts.push({ row, problems });
          onShort?.({ row, problems });
        }
      };
      await Promise.all(Array.from({ length: availableParallelism() + 1 }, work));
      return shorts;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
