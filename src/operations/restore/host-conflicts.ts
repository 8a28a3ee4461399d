import { existsSync } from "node:fs";
import { RefusedError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { ComposeModel } from "../../model/stack.ts";
import { createCompose } from "../../stack/compose.ts";
import type { Engine } from "../../stack/engine.ts";
import { hasNetwork, hasVolume } from "../../stack/parts.ts";
import {
  type Holder,
  holderOfName,
  holderOfNetwork,
  holderOfPort,
  type PublishedPort,
  publishedBy,
  publishedOf,
} from "../../stack/published.ts";
import type { Makings, StackNow } from "./current-stack.ts";
import { projectOf } from "./make-containers.ts";

/** The input of the check for conflicts on this host. */
interface ClashRequest {
  readonly engine: Engine;
  readonly stack: StackNow;
  readonly manifest: Pick<Manifest, "services">;
  readonly makings: Makings;
  /** The model that Compose creates the missing containers from. */
  readonly model: ComposeModel;
}

/**
 * Refuses a restore whose containers conflict with others on this host: a port in use, a container name of another
 * project, a network of another project. Changes nothing.
 *
 * @throws RefusedError that names the port, the container name or the network, and its owner.
 */
export async function refuseClashes(request: ClashRequest): Promise<void> {
  const { engine, stack, manifest, makings, model } = request;
  for (const [service, ports] of await wantedPorts(request)) {
    if (manifest.services[service]?.state !== "running") continue;
    for (const port of ports) {
      const holder = await holderOfPort(engine, stack.project, port);
      if (holder !== undefined) throw portTaken(service, port, holder, stack);
    }
  }
  for (const service of makings.create) {
    const { container_name: name } = model.services[service] ?? {};
    if (typeof name !== "string") continue;
    const holder = await holderOfName(engine, stack.project, name);
    if (holder !== undefined) throw nameTaken(service, name, holder, stack);
  }
  if (makings.create.length > 0) await refuseNetworks(request);
  await requireExternal(request);
}

/** Compose makes no volume and no network that is `external`, and creates no container without it. */
async function requireExternal({ engine, model, makings }: ClashRequest): Promise<void> {
  for (const service of makings.create) {
    const { volumes = [], networks } = model.services[service] ?? {};
    const named = volumes.flatMap(({ type, source }) => (type === "volume" ? (source ?? []) : []));
    const joined = Array.isArray(networks) ? networks.map(String) : Object.keys(networks ?? {});
    for (const [what, keys, has] of [
      ["volume", named, hasVolume],
      ["network", joined, hasNetwork],
    ] as const) {
      for (const key of keys) {
        const { name, external } = model[`${what}s`]?.[key] ?? {};
        if (external !== true || typeof name !== "string" || (await has(engine, name))) continue;
        throw new RefusedError(`service ${service}: this host has no ${what} ${name}`, {
          class: "no-place",
          hint: `the compose file says \`external\`, so Compose does not create it: run \`docker ${what} create ${name}\`, then restore`,
        });
      }
    }
  }
}

/**
 * Compose joins the network of another project with only a warning. Both stacks would then answer to the same host
 * names, and each gateway could find the other's database.
 */
async function refuseNetworks({ engine, stack, model }: ClashRequest): Promise<void> {
  const { project } = stack;
  for (const network of Object.values(model.networks ?? {})) {
    const { name, external } = network ?? {};
    if (typeof name !== "string" || external === true) continue;
    const holder = await holderOfNetwork(engine, project, name);
    if (holder === undefined) continue;
    const by = holder === "" ? "not created by Compose" : `of project ${holder}`;
    throw new RefusedError(`network ${name} is ${by}, and project ${project} would join it`, {
      class: "network-taken",
      hint: otherwise("networks", project),
    });
  }
}

/**
 * The model that missing containers will be created from, if it is known before the stack's files are restored.
 * Undefined if only some of the files exist.
 */
export async function modelBefore(
  engine: Engine,
  stack: StackNow,
  backup: ComposeModel,
): Promise<ComposeModel | undefined> {
  if (stack.composeFiles.every((path) => !existsSync(path))) return backup;
  return await createCompose(engine, projectOf(stack))
    .config()
    .catch(() => undefined);
}

/** The ports of the containers that will be started, by service. A running container holds its ports already. */
async function wantedPorts({ engine, stack, makings, model }: ClashRequest) {
  const wanted: [string, readonly PublishedPort[]][] = makings.create.map((service) => [
    service,
    publishedBy(model.services[service] ?? {}),
  ]);
  const isUp = stack.containers.some(({ state }) => /^(running|paused|restarting)$/.test(state));
  // If the stack is up, its stopped containers stay stopped.
  for (const { id, service } of isUp ? [] : stack.containers) {
    wanted.push([service, await publishedOf(engine, id)]);
  }
  return wanted;
}

function portTaken(
  service: string,
  { address, port, protocol }: PublishedPort,
  holder: Holder | "program",
  { project }: StackNow,
): RefusedError {
  const [where, by] = [
    `${address === "" ? "" : `${address}:`}${port}${protocol === "udp" ? "/udp" : ""}`,
    holder === "program" ? "a program on this host" : `container ${holder.container}${of(holder)}`,
  ];
  return new RefusedError(`port ${where} of service ${service} is taken by ${by}`, {
    class: "port-taken",
    hint: `${holder === "program" ? `stop it (\`ss -lnp | grep :${port}\` names it)` : "stop that container"}, or ${otherwise("ports", project)}`,
  });
}

function nameTaken(service: string, name: string, holder: Holder, { project }: StackNow) {
  const by = `a container${of(holder) || " outside any project"}`;
  return new RefusedError(`container_name ${name} of service ${service} is taken by ${by}`, {
    class: "name-taken",
    hint: `remove or rename that container, or ${otherwise("no container_name", project)}`,
  });
}

function of({ project }: Holder): string {
  return project === "" ? "" : ` of project ${project}`;
}

function otherwise(what: string, project: string): string {
  const own = what === "no container_name" ? what : `${what} of its own`;
  return `give project ${project} ${own} in its files (restore --target extracts them), run \`docker compose -p ${project} up --no-start\` there, then restore`;
}
