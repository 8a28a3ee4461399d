import { tmpdir } from "node:os";
import type { CacheService } from "./cache.ts";
import { outsideStep, type RunnerEnvironment } from "./runner-environment.ts";

/** GitHub's cache service, as provided by the runner of this step. */
export function githubCache(environment: RunnerEnvironment): CacheService {
  return {
    unusable: outsideStep("cache", environment, [
      environment.ACTIONS_RESULTS_URL,
      environment.ACTIONS_CACHE_URL,
    ]),
    workspace: environment.GITHUB_WORKSPACE ?? process.cwd(),
    temporary: environment.RUNNER_TEMP ?? tmpdir(),
    async save(path, key) {
      const { saveCache } = await import("@actions/cache");
      // It throws for a key or path that it does not take; every other failure it only logs, and tells -1.
      await saveCache([path], key);
    },
    async find(path, beginning) {
      const { restoreCache } = await import("@actions/cache");
      const key = await restoreCache([path], beginning, [beginning], { lookupOnly: true });
      // Some servers do not look at letters of another case.
      return key?.startsWith(beginning) === true ? key : undefined;
    },
    async restore(path, key) {
      const { restoreCache } = await import("@actions/cache");
      return (await restoreCache([path], key)) === key;
    },
  };
}
