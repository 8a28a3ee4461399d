import { defineConfig } from "vitest/config";

/** One project a kind of test; `test/run.ts` runs them one after another, the files of each side by side. */
export default defineConfig({
  test: {
    projects: [
      // No engine, no root, no network: seconds.
      { test: { name: "unit", include: ["test/{unit,cli}/**/*.test.ts"], testTimeout: 60_000 } },
      // Real tools (tar, zstd, age, sqlite3, a loop device), no containers.
      {
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          globalSetup: ["test/lab/tools-setup.ts"],
        },
      },
      // The lab: a real engine, real stores.
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", "test/action/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 900_000,
          fileParallelism: true,
          maxWorkers: 3,
          globalSetup: ["test/lab/lab-setup.ts"],
        },
      },
      // Engines that go down: nothing else may run beside them.
      {
        test: {
          name: "engine",
          include: ["test/engine/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 900_000,
          fileParallelism: false,
          globalSetup: ["test/lab/lab-setup.ts"],
        },
      },
    ],
  },
});
