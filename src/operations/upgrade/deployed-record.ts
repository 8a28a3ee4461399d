import { join } from "node:path";
import { z } from "zod";
import { replaceFile } from "../../core/durable.ts";
import { readRegularFile } from "../../core/regular-file.ts";
import type { Stack } from "../../model/stack.ts";
import type { Repository } from "../../repository/repository.ts";
import { createCompose } from "../../stack/compose.ts";
import { projectContainers } from "../../stack/discovery.ts";
import { repoDigest } from "../../stack/images.ts";
import { projectOf } from "../live-stack/compose-project.ts";
import type { Downtime } from "./downtime.ts";
import type { UpgradePlan } from "./journal.ts";
import { withoutSecrets } from "./model-difference.ts";
import type { UpgradeSession } from "./session.ts";

const lockName = "images.lock.json";
const modelName = "model.json";
const limitBytes = 16 * 2 ** 20;

const lockShape = z.object({
  operation: z.string(),
  at: z.string(),
  /** Downtime of the upgrade that deployed these images, if it was measured. */
  downtimeSeconds: z.number().optional(),
  services: z.record(
    z.string(),
    z.object({ image: z.string(), imageId: z.string(), digest: z.string().nullable() }),
  ),
});

/** What {@link recordDeployed} wrote last. */
type DeployedLock = z.output<typeof lockShape>;

/**
 * Records the deployed state for people and for the next run: image tag, image id and registry digest of every
 * service, and the resolved model with its secrets replaced by marks.
 */
export async function recordDeployed(
  session: Pick<UpgradeSession, "host" | "repository" | "id" | "dependencies"> & {
    readonly stack: Pick<Stack, "secrets">;
  },
  plan: UpgradePlan,
  downtime: Downtime | undefined,
): Promise<void> {
  const { host, repository, id, stack, dependencies } = session;
  const engine = await host.engine();
  const services: DeployedLock["services"] = {};
  for (const { state } of await projectContainers(engine, plan.project.project)) {
    const { service, imageReference: image, imageId } = state;
    services[service] ??= { image, imageId, digest: await repoDigest(engine, imageId, image) };
  }
  const at = dependencies.clock.now().toISOString();
  const measured = downtime === undefined ? {} : { downtimeSeconds: downtime.seconds };
  const lock: DeployedLock = { operation: id, at, ...measured, services };
  write(repository, lockName, lock);
  const { composeFiles } = plan.forward;
  const model = await createCompose(engine, { ...plan.project, composeFiles }).config();
  write(repository, modelName, withoutSecrets(model, stack.secrets));
}

/** Records the model of a stack that matches its files. */
export async function recordModel(session: UpgradeSession): Promise<void> {
  const { host, stack, repository } = session;
  const model = await createCompose(await host.engine(), projectOf(stack)).config();
  write(repository, modelName, withoutSecrets(model, stack.secrets));
}

/** What the last upgrade deployed; undefined if there was none or the file is not readable. */
export async function deployedLock(repository: Repository): Promise<DeployedLock | undefined> {
  return lockShape.safeParse(await read(repository, lockName)).data;
}

function write({ path }: Repository, name: string, value: unknown): void {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  // Replace atomically: a truncated file would be ignored, as if there had been no earlier upgrade.
  replaceFile(join(path, name), text);
}

async function read({ path }: Repository, name: string): Promise<unknown> {
  try {
    return JSON.parse(await readRegularFile(join(path, name), limitBytes));
  } catch {
    // Only comparison and estimates use this: ignore a missing or broken file.
    return undefined;
  }
}
