import type { LabStack } from "../../lab/lab-stack.ts";
import { run } from "../../lab/run.ts";

/** How one container stands: what a backup must leave as it was. */
export interface ServiceState {
  readonly id: string;
  readonly status: string;
  readonly paused: boolean;
  readonly restarts: number;
  readonly startedAt: string;
  readonly policy: string;
}

/** Every container of the stack by service. */
export async function stateOf(
  stack: Pick<LabStack, "projectName">,
): Promise<Record<string, ServiceState>> {
  const filter = `label=com.docker.compose.project=${stack.projectName}`;
  const ids = await run(["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", filter]);
  const all = JSON.parse(await run(["docker", "inspect", ...ids.trim().split("\n")])) as Inspect[];
  const states = all.map(({ Id, State, RestartCount, HostConfig, Config }) => [
    Config.Labels["com.docker.compose.service"],
    {
      id: Id,
      status: State.Status,
      paused: State.Paused,
      restarts: RestartCount,
      startedAt: State.StartedAt,
      policy: HostConfig.RestartPolicy.Name,
    },
  ]);
  return Object.fromEntries(states);
}

interface Inspect {
  readonly Id: string;
  readonly State: {
    readonly Status: string;
    readonly Paused: boolean;
    readonly StartedAt: string;
  };
  readonly RestartCount: number;
  readonly HostConfig: { readonly RestartPolicy: { readonly Name: string } };
  readonly Config: { readonly Labels: Readonly<Record<string, string>> };
}
