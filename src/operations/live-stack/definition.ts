import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "../../core/temp.ts";
import type { ComposeModel, ComposeService, ContainerState } from "../../model/stack.ts";
import { type Compose, createCompose } from "../../stack/compose.ts";
import type { Engine } from "../../stack/engine.ts";
import { composeLabels } from "../../stack/labels.ts";
import type { ComposeFiles } from "./journal-shapes.ts";

/**
 * Finds the containers that match the files, by the config hash in Compose's label. `images` overrides the image
 * references of the files.
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
