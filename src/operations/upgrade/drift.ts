import { RefusedError } from "../../core/errors.ts";
import type { ComposeService, Stack } from "../../model/stack.ts";
import { inspectImage } from "../../stack/images.ts";
import { projectOf } from "../live-stack/compose-project.ts";
import { driftOf } from "../live-stack/definition.ts";
import type { LookingSession } from "./session.ts";
import type { Target } from "./targets.ts";

/**
 * Refuses when the running stack differs from its files in more than images. A rollback recreates containers from the
 * files, so another change would come with it; and the gate would blame the new version for that change.
 *
 * @throws RefusedError that lists the differences.
 */
export async function refuseOtherChanges(
  session: LookingSession,
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
  // Joiners are recreated with the service whose namespace they join. Nothing else is.
  const services = [...new Set([...Object.keys(targets), ...joined])];
  const { model, containers, secrets } = stack;
  const project = projectOf(stack);
  const found = await driftOf(engine, { project, model, containers, images, services, secrets });
  for (const service of joined) {
    if (service in targets) continue;
    const own = containers.find((container) => container.service === service);
    const named = await inspectImage(engine, model.services[service]?.image ?? "");
    if (own !== undefined && named?.id !== own.imageId) found.push(`${service}: image`);
  }
  if (found.length === 0) return;
  throw new RefusedError(
    `the files differ from what runs in more than images: ${found.join(", ")}`,
    {
      class: "changed-files",
      hint: `Apply the changes first with \`docker compose up -d${isCopied(found) ? " --force-recreate" : ""}\`, or revert them: an upgrade may change images only.${unsetHint(stack, found)}`,
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

/** Not every version of Compose makes a container anew for what it only copies into it. */
function isCopied(found: readonly string[]): boolean {
  return found.some((line) => / (configs|secrets)\./.test(line));
}

/** A variable that was set when the stack was started, and is not now, looks like a change of the files. */
function unsetHint(stack: Stack, found: readonly string[]): string {
  const copied = found.flatMap((line) => / from (\w+): .* -> nothing$/.exec(line)?.[1] ?? []);
  const unset = [...new Set([...(stack.unset ?? []), ...copied])];
  if (unset.length === 0) return "";
  const are = unset.length === 1 ? "is" : "are";
  return ` ${unset.join(", ")} ${are} not set here: a value that only the shell had belongs into an env file.`;
}
