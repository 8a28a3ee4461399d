import { RefusedError } from "../../core/errors.ts";
import type { ComposeModel, ComposeService, ContainerState, Stack } from "../../model/stack.ts";
import { inspectImage } from "../../stack/images.ts";
import { projectOf } from "../live-stack/compose-project.ts";
import { definitions } from "../live-stack/definition.ts";
import { neededServices, withNeeds } from "../live-stack/recreate.ts";
import { storedModel } from "./deployed-record.ts";
import { containerDifferences, serviceDifferences, withoutSecrets } from "./model-difference.ts";
import type { UpgradeSession } from "./session.ts";
import type { Target } from "./targets.ts";

/**
 * What runs must differ from the files in images only: on the way back the files make the containers anew, and what
 * else was changed in them would be tested, and blamed, together with the new version.
 *
 * @throws RefusedError with the difference.
 */
export async function refuseOtherChanges(
  session: UpgradeSession,
  targets: Readonly<Record<string, Target>>,
  joined: readonly string[],
): Promise<void> {
  const { stack, host, options } = session;
  // Whoever names services wants these; else the files as a whole are what is wanted.
  if (Object.keys(options.images).length === 0) refuseOtherServices(stack);
  const engine = await host.engine();
  const images = Object.fromEntries(
    Object.entries(targets).map(([name, { from }]) => [name, from]),
  );
  const isAsDefined = await definitions(engine, { ...stack, project: projectOf(stack), images });
  // What they depend on must be as the files say, too: Compose would change it on the way. What joins them is made anew.
  const changed = [...Object.keys(targets), ...joined];
  const concerned = withNeeds(neededServices(stack.model), changed);
  const found: string[] = [];
  const stored = await storedModel(session.repository, stack);
  for (const service of concerned) {
    const own = stack.containers.filter((container) => container.service === service);
    const other = own.find((one) => !isAsDefined(one));
    if (other !== undefined) found.push(...differencesOf(stack, stored, other));
    else if (!(service in targets)) {
      const named = await inspectImage(engine, stack.model.services[service]?.image ?? "");
      if (own[0] !== undefined && named?.id !== own[0].imageId) found.push(`${service}: image`);
    }
  }
  if (found.length === 0) return;
  throw new RefusedError(
    `the files differ from what runs in more than images: ${found.join(", ")}`,
    {
      class: "changed-files",
      hint: "Apply that first with `docker compose up -d`, or put it back, so that an upgrade changes images only.",
    },
  );
}

/** @throws RefusedError where the files have a service without a container, or containers have no service. */
function refuseOtherServices({ model, containers }: Stack): void {
  const running = new Set(containers.map(({ service }) => service));
  const wanted = Object.entries(model.services).filter(([, service]) => replicasOf(service) > 0);
  const added = wanted.map(([name]) => name).filter((name) => !running.has(name));
  const gone = [...running].filter((name) => !(name in model.services));
  if (added.length + gone.length === 0) return;
  const found = [
    ...added.map((name) => `${name}: new in the files`),
    ...gone.map((name) => `${name}: no longer in the files`),
  ];
  throw new RefusedError(
    `the files differ from what runs in more than images: ${found.join(", ")}`,
    {
      class: "changed-files",
      hint: "Apply that first with `docker compose up -d --remove-orphans`, or name the services to upgrade with images.",
    },
  );
}

function replicasOf({ scale, deploy }: ComposeService): number {
  const replicas = (deploy as { replicas?: number } | undefined)?.replicas;
  return typeof scale === "number" ? scale : (replicas ?? 1);
}

/** What the files say else of a service, as exactly as it can be told. */
function differencesOf(
  stack: Stack,
  stored: ComposeModel | undefined,
  container: ContainerState,
): string[] {
  const { service } = container;
  const now = withoutSecrets(stack.model, stack.secrets).services[service];
  const before = stored?.services[service];
  const exact = before === undefined ? [] : serviceDifferences(before, now);
  const seen = containerDifferences(stack.model.services[service], container);
  const all = exact.length > 0 ? exact : seen;
  return all.length === 0
    ? [`${service}: its definition`]
    : all.map((difference) => `${service}: ${difference}`);
}
