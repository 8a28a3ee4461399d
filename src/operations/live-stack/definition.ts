import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "../../core/temp.ts";
import type { ComposeModel, ComposeService, ContainerState } from "../../model/stack.ts";
import { type Compose, createCompose } from "../../stack/compose.ts";
import type { Engine } from "../../stack/engine.ts";
import { composeLabels } from "../../stack/labels.ts";
import type { ComposeFiles } from "./journal-shapes.ts";

/**
 * Finds out which containers are as the files say, by the hash that Compose labels them with. `images` are the
 * references that the services are taken to have.
 */
export async function definitions(
  engine: Pick<Engine, "environment">,
  given: {
    readonly project: ComposeFiles;
    readonly model: ComposeModel;
    readonly containers: readonly ContainerState[];
    readonly images: Readonly<Record<string, string>>;
  },
): Promise<(container: ContainerState) => boolean> {
  const { project, model, containers, images } = given;
  await using trial = await temporaryDirectory("sophon-keeper-");
  const override = join(trial.path, "images.yml");
  const own = Object.entries(images).map(([name, image]) => [name, { image }]);
  await writeFile(override, JSON.stringify({ services: Object.fromEntries(own) }));
  const compose = createCompose(engine, project);
  const hashes = await compose.hashes([override]);
  const resolved = await resolvedHashes(compose, override, model, containers);
  return ({ service, labels }) => {
    const label = labels[composeLabels.configHash];
    return (
      label === hashes.get(service) || (label !== undefined && label === resolved.get(service))
    );
  };
}

/**
 * `up` hashes a service as it makes it: with the ids of the containers whose namespaces it joins, and without
 * dependencies that are not there (`required: false`). `config --hash` does not (docker/compose
 * `pkg/compose/convergence.go`, `resolveServiceReferences`). A Compose that cannot read the override tells nothing.
 */
async function resolvedHashes(
  compose: Compose,
  images: string,
  { services }: ComposeModel,
  containers: readonly ContainerState[],
): Promise<ReadonlyMap<string, string>> {
  const lines = containers.flatMap((container) => {
    const definition = services[container.service];
    if (definition === undefined) return [];
    const needs = Object.entries(definition.depends_on ?? {});
    const kept = needs.filter(([need]) => need in services);
    const modes = resolvedModes(definition, container, containers);
    if (Object.keys(modes).length === 0 && kept.length === needs.length) return [];
    const parts = Object.entries(modes).map(([key, mode]) => `${key}: ${JSON.stringify(mode)}`);
    parts.push(`depends_on: !override ${JSON.stringify(Object.fromEntries(kept))}`);
    return [`  ${JSON.stringify(container.service)}: { ${parts.join(", ")} }`];
  });
  if (lines.length === 0) return new Map();
  const override = images.replace(/images\.yml$/, "resolved.yml");
  await writeFile(override, `services:\n${[...new Set(lines)].join("\n")}\n`);
  return await compose.hashes([images, override]).catch(() => new Map());
}

/** The namespaces that it joins by the name of a service, by the id of that service's container. */
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
    // One that is gone is no container any more: its id is all that is left.
    const id = provider ?? joins[0];
    if (id !== undefined) modes[key] = `container:${id}`;
  }
  return modes;
}
