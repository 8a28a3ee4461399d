import type { ComposeModel, ContainerState } from "../../model/stack.ts";
import type { Dependencies } from "./depends-on.ts";

/**
 * Whether a container is a job that has done its work, although no other service waits for it. Compose runs it again
 * once its image has changed. The engine does not tell a job from a server that a person has stopped: one that others
 * connect to, that has a health check, that its restart policy would bring back, or of which another replica runs is
 * taken for a server.
 *
 * A container that was created and never ran counts as well: a rollback recreates a job without running it.
 */
export function isJob(one: Jobs, { model, containers }: Among): boolean {
  const { service, state, exitCode } = one;
  if (state !== "created" && (state !== "exited" || exitCode !== 0)) return false;
  const others = containers.filter((other) => other.service === service);
  if (others.some((other) => other.state !== "exited" && other.state !== "created")) return false;
  return mayEnd(one, model);
}

/**
 * Whether a container may be a job: nothing tells that it is a server. One that runs and ends by itself with exit code 0
 * has then done its work.
 */
export function mayEnd(
  { service, restartPolicy, health }: Pick<Jobs, "service" | "restartPolicy" | "health">,
  { services }: Among["model"],
): boolean {
  if (restartPolicy !== "no" && !restartPolicy.startsWith("on-failure")) return false;
  const { ports, healthcheck } = services[service] ?? {};
  if ((Array.isArray(ports) && ports.length > 0) || health !== "none") return false;
  if (healthcheck !== undefined && (healthcheck as { disable?: boolean }).disable !== true) {
    return false;
  }
  return !Object.values(services).some(({ depends_on: needs = {} }) => {
    const condition = needs[service]?.condition;
    return condition !== undefined && condition !== "service_completed_successfully";
  });
}

/**
 * Whether a container has ended, or was never started, and another service waits for its success. State `created` counts:
 * a rollback recreates a one-shot without running it.
 */
export function isAwaited(
  { service, state }: { readonly service: string; readonly state: string },
  dependencies: Dependencies,
): boolean {
  if (state !== "exited" && state !== "created") return false;
  return Object.values(dependencies).some((needs) =>
    needs.some(
      (need) => need.service === service && need.condition === "service_completed_successfully",
    ),
  );
}

type Jobs = Pick<ContainerState, "service" | "state" | "exitCode" | "restartPolicy" | "health">;

interface Among {
  readonly model: Pick<ComposeModel, "services">;
  /** All containers of the project. */
  readonly containers: readonly Pick<ContainerState, "service" | "state">[];
}
