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
 * Refuses when the running stack differs from its files in more than images. A rollback recreates containers from the
 * files, so another change would come with it; and the gate would blame the new version for that change.
 *
 * @throws RefusedError that lists the differences.
 */
export async function refuseOtherChanges(
  session: UpgradeSession,
  targets: Readonly<Record<string, Target>>,
  joined: readonly string[],
): Promise<void> {
  const { stack, host, options } = session;
  // With `images` only the named services are upgraded; without it the files as a whole are applied.
  if (Object.keys(options.images).length === 0) refuseOtherServices(stack);
  const engine = await host.engine();
  const images = Object.fromEntries(
    Object.entries(targets).map(([name, { from }]) => [name, from]),
  );
  const isAsDefined = await definitions(engine, { ...stack, project: projectOf(stack), images });
  // Dependencies must match the files, too: Compose would recreate them in passing. Joiners are recreated anyway.
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
      hint: "Apply the changes first with `docker compose up -d`, or revert them: an upgrade may change images only.",
    },
  );
}

/** @throws RefusedError when a service in the files has no container, or a container's service is not in the files. */
function refuseOtherServices({ model, containers }: Stack): void {
  const running = new Set(containers.map(({ service }) => service));
  // A service of a profile is only started on demand.
  const isOnDemand = ({ profiles }: ComposeService) =>
    Array.isArray(profiles) && profiles.length > 0;
  const wanted = Object.entries(model.services).filter(
    ([, service]) => replicasOf(service) > 0 && !isOnDemand(service),
  );
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
      hint: "Apply the changes first with `docker compose up -d --remove-orphans`, or name the services to upgrade with images.",
    },
  );
}

function replicasOf({ scale, deploy }: ComposeService): number {
  const replicas = (deploy as { replicas?: number } | undefined)?.replicas;
  return typeof scale === "number" ? scale : (replicas ?? 1);
}

/** How a container differs from its definition in the files, as exactly as the known data allows. */
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
