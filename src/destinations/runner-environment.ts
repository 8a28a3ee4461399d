/** The variables by which the runner of a step tells the services of GitHub. */
export interface RunnerEnvironment {
  readonly ACTIONS_RUNTIME_TOKEN?: string | undefined;
  readonly ACTIONS_RESULTS_URL?: string | undefined;
  readonly ACTIONS_CACHE_URL?: string | undefined;
  readonly GITHUB_SERVER_URL?: string | undefined;
  readonly GITHUB_API_URL?: string | undefined;
  /** `owner/name`. */
  readonly GITHUB_REPOSITORY?: string | undefined;
  readonly GITHUB_WORKSPACE?: string | undefined;
  readonly RUNNER_TEMP?: string | undefined;
}

/**
 * Why a service of the workflow cannot be used, in one line: only a step of the action is given the token and an address.
 *
 * @param addresses - where it may be; one is enough
 * @returns undefined if it can.
 */
export function outsideStep(
  service: "artifact" | "cache",
  { ACTIONS_RUNTIME_TOKEN = "" }: RunnerEnvironment,
  addresses: readonly (string | undefined)[],
): string | undefined {
  const isThere = ACTIONS_RUNTIME_TOKEN !== "" && addresses.some((one = "") => one !== "");
  return isThere ? undefined : `there is no ${service} service outside a step of the action`;
}
