import { RefusedError } from "../../core/errors.ts";
import type { ContainerState, Mount, Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { chooseDataPlace } from "../../stack/data-place.ts";
import { isGateway, sophonProfile } from "../../stack/profile.ts";
import { kindOfContainer } from "../../stack/server-kind.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host, Workbench } from "../session/host.ts";

const inputs = {
  postgres: { option: "postgresService", input: "postgres-service" },
  qdrant: { option: "qdrantService", input: "qdrant-service" },
  redis: { option: "redisService", input: "redis-service" },
  rabbitmq: { option: "rabbitmqService", input: "rabbitmq-service" },
} as const;

/**
 * The stack as its containers describe it. Their data may be missing or damaged.
 *
 * @throws RefusedError if it has no containers on this host.
 */
export async function stackNow(
  options: Options,
  dependencies: Pick<Dependencies, "reporter"> & { readonly host: Pick<Host, "readStack"> },
): Promise<Stack> {
  const stack = await dependencies.host.readStack(options, dependencies);
  if (stack.containers.length > 0) return stack;
  throw new RefusedError(`project ${stack.project} has no containers on this host`, {
    class: "no-container",
    hint: "a file that was made by hand does not tell of the stack: `docker compose up --no-start` first",
  });
}

/**
 * Finds the container of the stack's server of a kind, running or not.
 *
 * @throws RefusedError if there is none or more than one.
 */
export function serverContainer(
  stack: Pick<Stack, "project" | "containers">,
  kind: keyof typeof inputs,
  options: Options,
): ContainerState {
  const { option, input } = inputs[kind];
  const named = options[option];
  const found = stack.containers.filter((container) =>
    named === undefined ? kindOfContainer(container) === kind : container.service === named,
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const seen = found.length === 0 ? "has no" : "has more than one";
  throw new RefusedError(`project ${stack.project} ${seen} ${kind} server`, {
    class: found.length === 0 ? "no-place" : "ambiguous-service",
    hint: `the file is of a stack that has one; name the service with ${input}`,
  });
}

/**
 * Finds the mount of the data directory from the current containers. Its content does not matter.
 *
 * @throws RefusedError if it is ambiguous.
 */
export async function dataMount(
  stack: Pick<Stack, "containers">,
  options: Options,
  { tasks }: Pick<Workbench, "tasks">,
): Promise<Mount> {
  const ofServers = stack.containers.flatMap((container) =>
    kindOfContainer(container) === undefined ? [] : container.mounts.map(({ source }) => source),
  );
  const places = stack.containers.flatMap(({ service, mounts }) =>
    mounts
      .filter(({ type, writable }) => writable && (type === "bind" || type === "volume"))
      .filter(({ source }) => !ofServers.includes(source))
      .map((mount) => ({ mount, services: [service] })),
  );
  const found = await chooseDataPlace(stack.containers, places, options, { tasks });
  if (found !== undefined) return { ...found.mount, source: found.path };
  throw new RefusedError("the stack's data directory is not known", {
    class: "no-data-dir",
    hint: "name it with data-dir",
  });
}

/** The key file that an archive of the data directory must contain; undefined if it needs none. */
export function vaultKeyOf(options: Options): string | undefined {
  const path = options.vaultKey ?? sophonProfile.vaultKey;
  return path === "none" ? undefined : path;
}

/** Whether a container belongs to the application itself. */
export function isApplication({ service, imageReference }: ContainerState): boolean {
  return isGateway(sophonProfile, service, imageReference);
}
