import { realpathSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { temporaryDirectory } from "../../core/temp.ts";
import type { ComposeModel, ComposeService, ContainerState } from "../../model/stack.ts";
import { type Compose, createCompose } from "../../stack/compose.ts";
import { containerFacts } from "../../stack/container-facts.ts";
import { definitionDrift } from "../../stack/definition-drift.ts";
import type { Engine } from "../../stack/engine.ts";
import { findSecrets } from "../../stack/find-secrets.ts";
import { composeLabels } from "../../stack/labels.ts";
import { copiedDrift, copiedGrants } from "./copied-grants.ts";
import { differenceText, masking } from "./difference-text.ts";
import type { ComposeFiles } from "./journal-shapes.ts";

/** What containers are compared with. */
interface Comparison {
  readonly project: ComposeFiles;
  readonly model: ComposeModel;
  /** All containers of the project. */
  readonly containers: readonly ContainerState[];
  /** The image references that count instead of those of the files, by service. */
  readonly images: Readonly<Record<string, string>>;
  /** The services whose containers are compared. */
  readonly services: readonly string[];
  /** Masked in what is told. */
  readonly secrets: readonly string[];
}

/**
 * How the containers of services differ from the files in more than their images, one line for each difference:
 * `service: key: what runs -> what the files say`.
 *
 * Compose's hash proves only that nothing differs. It changes with the version of Compose and with its way of reading
 * (docker/compose#14001), so what matters is compared with the engine's own answer.
 */
export async function driftOf(
  engine: Pick<Engine, "docker" | "environment">,
  given: Comparison,
): Promise<string[]> {
  const own = given.containers.filter(({ service }) => given.services.includes(service));
  if (own.length === 0) return [];
  const isSame = await hashesOf(engine, given);
  const grants = await copiedGrants(engine, given, given.services);
  const found: string[] = [];
  for (const container of own) {
    const { id, service } = container;
    const lines = isSame(container) ? [] : await differencesOf(engine, container, given);
    const name = lines.length > 0 ? [] : nameDifference(container, given.model);
    const copied = await copiedDrift(engine, id, grants.get(service) ?? [], given.project);
    const contents = copied.map(({ path, wanted, actual }) =>
      differenceText(path, actual, wanted, (text) => text),
    );
    for (const line of [...lines, ...name, ...contents]) found.push(`${service}: ${line}`);
  }
  return [...new Set(found)];
}

async function differencesOf(
  engine: Pick<Engine, "docker">,
  { id, service: name, environment }: ContainerState,
  { model, containers, secrets }: Comparison,
): Promise<string[]> {
  const service = model.services[name];
  const facts = await containerFacts(engine, id);
  if (service === undefined) return ["no longer in the files"];
  if (facts === undefined) return ["its container is gone"];
  const idsOf = (provider: string) =>
    containers.filter((one) => one.service === provider).map((one) => one.id);
  const samePlace = (a: string, b: string) => realPath(a) === realPath(b);
  const found = definitionDrift({ service, name, model, idsOf, samePlace }, facts);
  const own = findSecrets([{ environment: withValues(service.environment) }, { environment }], []);
  const mask = masking(model.name, [...new Set([...secrets, ...own])]);
  return found.map(({ path, wanted, actual }) => differenceText(path, actual, wanted, mask));
}

function withValues(environment: ComposeService["environment"]): Record<string, string> {
  const all = Object.entries(environment ?? {});
  return Object.fromEntries(all.map(([name, value]) => [name, value ?? ""]));
}

/** A rollback finds containers by their names, so Compose has to give a new container the name of the old one. */
function nameDifference(
  { name, service, labels }: ContainerState,
  { name: project, services }: ComposeModel,
): string[] {
  const number = labels[composeLabels.number];
  const wanted = services[service]?.container_name ?? `${project}-${service}-${number}`;
  return wanted === name ? [] : [`container_name: ${name} -> ${wanted}`];
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** Finds the containers whose label has the hash of the files. */
async function hashesOf(
  engine: Pick<Engine, "environment">,
  { project, model, containers, images }: Comparison,
): Promise<(container: ContainerState) => boolean> {
  await using trial = await temporaryDirectory("sophon-keeper-");
  const override = join(trial.path, "images.yml");
  const own = Object.entries(images).map(([name, image]) => [name, { image }]);
  await writeFile(override, JSON.stringify({ services: Object.fromEntries(own) }));
  const compose = createCompose(engine, project);
  const hashes = await compose.hashes([override]);
  const isPlain = (one: ContainerState) => labelOf(one) === hashes.get(one.service);
  const others = containers.filter((one) => !isPlain(one));
  const resolved =
    others.length === 0
      ? new Map()
      : await resolvedHashes(compose, override, model, { others, containers });
  return (one) => isPlain(one) || labelOf(one) === (resolved.get(one.service) ?? "");
}

function labelOf({ labels }: ContainerState): string | undefined {
  return labels[composeLabels.configHash];
}

/**
 * The hashes as `up` computes them: with the ids of the containers whose namespaces a service joins, with the variables
 * of its env files, and without absent dependencies (`required: false`). `config --hash` omits these steps
 * (docker/compose `pkg/compose/convergence.go`, `resolveServiceReferences`; docker/compose#14001). The result is empty
 * if this Compose version cannot read the override.
 */
async function resolvedHashes(
  compose: Compose,
  images: string,
  { services }: ComposeModel,
  {
    others,
    containers,
  }: { others: readonly ContainerState[]; containers: readonly ContainerState[] },
): Promise<ReadonlyMap<string, string>> {
  const lines = new Map<string, string>();
  for (const container of others) {
    const definition = services[container.service];
    if (definition === undefined) continue;
    const { depends_on: needs = {}, environment = {} } = definition;
    const kept = Object.entries(needs).filter(([need]) => need in services);
    const modes = Object.entries(resolvedModes(definition, container, containers));
    const parts = [
      ...modes.map(([key, mode]) => `${key}: ${JSON.stringify(mode)}`),
      `depends_on: !override ${JSON.stringify(Object.fromEntries(kept))}`,
      "env_file: !reset null",
      `environment: !override ${JSON.stringify(environment).replaceAll("$", "$$$$")}`,
    ];
    const name = JSON.stringify(container.service);
    lines.set(container.service, `  ${name}: { ${parts.join(", ")} }`);
  }
  if (lines.size === 0) return new Map();
  const override = images.replace(/images\.yml$/, "resolved.yml");
  const text = `services:\n${[...lines.values()].join("\n")}\n`;
  await writeFile(override, text, { mode: 0o600 });
  return await compose.hashes([images, override]).catch(() => new Map());
}

/** The namespaces that a service joins by service name, with the name replaced by the container's id. */
function resolvedModes(
  definition: ComposeService,
  { joins = [] }: ContainerState,
  containers: readonly ContainerState[],
): Record<string, string> {
  const prefix = "service:";
  const modes: Record<string, string> = {};
  for (const key of ["network_mode", "pid", "ipc"]) {
    const mode = definition[key];
    if (typeof mode !== "string" || !mode.startsWith(prefix)) continue;
    const service = mode.slice(prefix.length);
    const provider = joins.find((id) =>
      containers.some((one) => one.id === id && one.service === service),
    );
    // If the provider was removed, only its id in `joins` is left.
    const id = provider ?? joins[0];
    if (id !== undefined) modes[key] = `container:${id}`;
  }
  return modes;
}
