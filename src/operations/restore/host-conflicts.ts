import { existsSync } from "node:fs";
import { RefusedError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { ComposeModel } from "../../model/stack.ts";
import { createCompose } from "../../stack/compose.ts";
import type { Engine } from "../../stack/engine.ts";
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

/** What is looked at for clashes with others on this host. */
interface ClashRequest {
  readonly engine: Engine;
  readonly stack: StackNow;
  readonly manifest: Pick<Manifest, "services">;
  readonly makings: Makings;
  /** What Compose makes the missing containers of. */
  readonly model: ComposeModel;
}

/**
 * Refuses containers that could not be made or started beside what is on this host: a port that somebody else has, a
 * name that another project's container has, a network of another project. Changes nothing.
 *
 * @throws RefusedError naming the port, the name or the network, and who has it.
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
}

/**
 * Compose only warns of a network that it made for another project, and joins it: there both stacks would answer to
 * the same names, and each gateway find the other's database.
 */
async function refuseNetworks({ engine, stack, model }: ClashRequest): Promise<void> {
  const { project } = stack;
  for (const network of Object.values(model.networks ?? {})) {
    const { name, external } = network ?? {};
    if (typeof name !== "string" || external === true) continue;
    const holder = await holderOfNetwork(engine, project, name);
    if (holder === undefined) continue;
    const by = holder === "" ? "made by something else than Compose" : `of project ${holder}`;
    throw new RefusedError(`network ${name} is ${by}, and project ${project} would join it`, {
      class: "network-taken",
      hint: otherwise("networks", project),
    });
  }
}

/**
 * The model by which missing containers will be made, as far as it can be known before the stack's files are put back:
 * undefined where only some of them are there.
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

/** By service, the ports of the containers that will be started; one that runs has its ports already. */
async function wantedPorts({ engine, stack, makings, model }: ClashRequest) {
  const wanted: [string, readonly PublishedPort[]][] = makings.create.map((service) => [
    service,
    publishedBy(model.services[service] ?? {}),
  ]);
  const isUp = stack.containers.some(({ state }) => /^(running|paused|restarting)$/.test(state));
  // Of a stack that is up, what does not run stays as it is.
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
    holder === "program" ? "a program of this host" : `container ${holder.container}${of(holder)}`,
  ];
  return new RefusedError(`port ${where} of service ${service} is taken by ${by}`, {
    class: "port-taken",
    hint: `${holder === "program" ? `end it (\`ss -lnp | grep :${port}\` names it)` : "stop that container"}, or ${otherwise("ports", project)}`,
  });
}

function nameTaken(service: string, name: string, holder: Holder, { project }: StackNow) {
  const by = `a container${of(holder) || " that is no part of a project"}`;
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
  return `give project ${project} ${own} in its files (restore --target shows them): \`docker compose -p ${project} up --no-start\` there, and restore then`;
}
