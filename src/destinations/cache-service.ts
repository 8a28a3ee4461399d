import { tmpdir } from "node:os";
import type { CacheService } from "./cache.ts";

/** The variables of the runner that show whether a cache service is available. */
interface RunnerEnvironment {
  readonly ACTIONS_RUNTIME_TOKEN?: string | undefined;
  readonly ACTIONS_RESULTS_URL?: string | undefined;
  readonly ACTIONS_CACHE_URL?: string | undefined;
  readonly GITHUB_WORKSPACE?: string | undefined;
  readonly RUNNER_TEMP?: string | undefined;
}

/** GitHub's cache service, as provided by the runner of this step. */
export function githubCache(environment: RunnerEnvironment): CacheService {
  return {
    unusable: whyUnusable(environment),
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

function whyUnusable(environment: RunnerEnvironment): string | undefined {
  const {
    ACTIONS_RUNTIME_TOKEN = "",
    ACTIONS_RESULTS_URL = "",
    ACTIONS_CACHE_URL = "",
  } = environment;
  const isThere =
    ACTIONS_RUNTIME_TOKEN !== "" && `${ACTIONS_RESULTS_URL}${ACTIONS_CACHE_URL}` !== "";
  return isThere ? undefined : "there is no cache service outside a step of the action";
}
