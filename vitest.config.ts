import { defineConfig } from "vitest/config";
import { EachFile } from "./test/runner/each-file.ts";
import { SlowFirst } from "./test/runner/slow-first.ts";

/** Tests on real stores mostly wait for them, so more of them than there are processors run side by side. */
const e2eWorkers = 5;

/** A test that has to end within a run's budget, and one that is blocked: see `exhaustive.ts` and `stalls.ts`. */
const setupFiles = ["test/lab/deadline.ts", "test/lab/now-running.ts"];
const labSetupFiles = [...setupFiles, "test/lab/wait-for-stores.ts"];

/** Projects that differ in their workers cannot be in one order; each is run by itself anyway. */
let order = 0;
const sequence = () => {
  order += 1;
  return { groupOrder: order };
};

/** One project a kind of test; `test/run.ts` tells which run side by side. */
export default defineConfig({
  test: {
    sequence: { sequencer: SlowFirst },
    reporters: ["default", new EachFile()],
    tags: [
      {
        name: "exhaustive",
        description:
          "one cell of a matrix, or one promise in one more way: npm run test:exhaustive",
      },
    ],
    projects: [
      // No engine, no root, no network: seconds.
      {
        extends: true,
        test: {
          name: "unit",
          sequence: sequence(),
          include: ["test/{unit,cli}/**/*.test.ts"],
          testTimeout: 60_000,
          // Vitest would leave one of two processors to others, which wait for packages while a new machine is set up.
          maxWorkers: 2,
          setupFiles,
        },
      },
      // Real tools (tar, zstd, age, sqlite3, a loop device), no containers.
      {
        extends: true,
        test: {
          name: "contract",
          sequence: sequence(),
          include: ["test/contract/**/*.test.ts"],
          testTimeout: 120_000,
          // One packs a whole Node.
          hookTimeout: 300_000,
          maxWorkers: 2,
          setupFiles,
          globalSetup: ["test/lab/tools-setup.ts"],
        },
      },
      // The lab: a real engine, real stores.
      {
        extends: true,
        test: {
          name: "e2e",
          sequence: sequence(),
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: true,
          maxWorkers: e2eWorkers,
          setupFiles: labSetupFiles,
          globalSetup: ["test/lab/lab-setup.ts"],
        },
      },
      // The action as workflows run it, by act, which is compiled for it: a few minutes.
      {
        extends: true,
        test: {
          name: "action",
          sequence: sequence(),
          include: ["test/action/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
          setupFiles: labSetupFiles,
          globalSetup: ["test/lab/lab-setup.ts", "test/lab/act-setup.ts"],
        },
      },
      // Engines that go down: nothing else may run beside them.
      {
        extends: true,
        test: {
          name: "engine",
          sequence: sequence(),
          include: ["test/engine/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
          setupFiles: labSetupFiles,
          globalSetup: ["test/lab/lab-setup.ts"],
        },
      },
    ],
  },
});
