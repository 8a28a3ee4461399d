import { randomBytes } from "node:crypto";
import { describeError, KeeperError, UnverifiableError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { scratchProject } from "../../model/scratch-project.ts";
import type { DiscoveredStore } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { hasImage } from "../../stack/images.ts";
import { openScratch, removeDeadScratches, scratchLabels } from "../../stack/scratch.ts";
import { failedCheck } from "../../stores/check.ts";
import type { Histories } from "../../stores/ef-migrations.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import { type BackedUpStore, originOf, storesOf } from "../fill/backed-up-store.ts";
import { compareHeads, compareHistories } from "../fill/compare.ts";
import {
  type FillRequest,
  type FillTarget,
  fillStores,
  migrationsOf,
} from "../fill/fill-stores.ts";
import { openStackSource, type StackSource } from "../fill/stack-source.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host } from "../session/host.ts";
import { bootCopy } from "./boot-clone.ts";

/** What a test restore needs of the host. */
export type ScratchHost = Pick<Host, "workbench" | "engine">;

/** What a test restore is given. */
export interface TestRestore {
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly operationId: string;
  /** What is restored, where nobody wrote a manifest: no schema heads were recorded then either. */
  readonly stores?: readonly BackedUpStore[];
  readonly options: Pick<Options, "cloneHealth" | "healthTimeoutMs" | "logAllow" | "logDeny">;
}

/**
 * The `restore` level: all stores restored into an isolated copy of the stack, compared with the manifest, then the
 * application booted on them. Everything of the copy is removed, whatever happens.
 *
 * @throws the reason of the signal when it is aborted; what cannot be done is a check.
 */
export async function testRestore(
  request: TestRestore,
  dependencies: Dependencies & { readonly host: ScratchHost },
): Promise<Check[]> {
  const { manifest, source } = request;
  const { signal } = dependencies;
  return await testRestoreOf(
    () => openStackSource(manifest, source, signal),
    request,
    dependencies,
  );
}

/** {@link testRestore} of a stack whose compose model and files are not in the backup itself. */
export async function testRestoreOf(
  open: () => Promise<StackSource>,
  request: TestRestore,
  dependencies: Dependencies & { readonly host: ScratchHost },
): Promise<Check[]> {
  const { host, signal } = dependencies;
  try {
    await removeDead(dependencies);
    const missing = await missingImages(request.manifest, host);
    if (missing.length > 0) return missing;
    await using stack = await open();
    return await inCopy(stack, request, dependencies);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof KeeperError)) throw error;
    return [failedCheck({ name: "scratch project" }, error)];
  } finally {
    // What a killed run had asked Compose for may have come only after the first look.
    await removeDead(dependencies);
  }
}

/** Whatever of it cannot be removed now is no reason to judge a backup worse, nor in the way of another copy. */
async function removeDead({
  host,
  reporter,
}: Pick<Dependencies, "reporter"> & { readonly host: ScratchHost }): Promise<void> {
  try {
    const removed = await removeDeadScratches(await host.engine());
    for (const name of removed) reporter.info(`removed ${name}, which a killed run had left`);
  } catch (error) {
    reporter.warning(`what a killed run left is not all removed yet: ${describeError(error)}`);
  }
}

async function inCopy(
  stack: StackSource,
  request: TestRestore,
  dependencies: Dependencies & { readonly host: ScratchHost },
): Promise<Check[]> {
  const { manifest, source, operationId, options } = request;
  const { host, clock, reporter } = dependencies;
  const { model } = stack;
  const stores = request.stores ?? storesOf(manifest);
  const project = scratchProject({
    model,
    project: `${model.name}-scratch-${randomBytes(3).toString("hex")}`,
    operationId,
    labels: await scratchLabels(),
    images: Object.fromEntries(
      Object.entries(manifest.services).map(([name, { imageId }]) => [name, imageId]),
    ),
    hostnames: hostnamesOf(manifest),
    stores: stores.flatMap((store) => originOf(store, model) ?? []),
    files: stack.files,
  });
  for (const line of project.omitted) reporter.info(`the copy does without ${line}`);
  const begun = clock.monotonicMs();
  await using scratch = await openScratch(await host.engine(), project, operationId);
  await scratch.create();
  const workbench = await host.workbench(operationId, dependencies);
  const target: FillTarget = {
    start: scratch.start,
    server: scratch.server,
    mountOf: async (store) => {
      const origin = originOf(store, model);
      const volume = origin === undefined ? undefined : project.volumes[origin];
      if (volume === undefined) {
        throw new UnverifiableError(`the compose model does not tell where ${store.name} belongs`);
      }
      const mountpoint = await scratch.mountpoint(volume);
      const place = { target: "", writable: true, anonymous: false, plain: true };
      return { type: "volume", volume, source: mountpoint, ...place };
    },
  };
  const filling: FillRequest = {
    ...{ target, stores, manifest, source, workbench, dependencies },
    journal: async () => undefined,
  };
  const { checks: counts, stores: filled } = await fillStores(filling);
  const heads = request.stores === undefined && counts.every(isGood);
  const before = heads ? await headsBefore(filled, filling) : undefined;
  const checks = [...counts, ...(before?.checks ?? [])];
  if (!checks.every(isGood) || options.cloneHealth === "off") return checks;
  const booted = await reporter.group("Boot the copy", async () => {
    const services = Object.keys(project.model.services);
    const found = await bootCopy(scratch, services, { ...options, ...dependencies });
    // One that is not healthy may not have come to its database yet.
    if (!found.every(isGood) || before === undefined) return found;
    return [...found, ...(await headsBooted(before.histories, filled, filling))];
  });
  if (!booted.every(isGood)) return [...checks, ...booted];
  const seconds = (clock.monotonicMs() - begun) / 1000;
  const detail = `restored and serving after ${seconds.toFixed(1)} s`;
  return [...checks, ...booted, { name: "recovery time", status: "pass", detail }];
}

function isGood({ status }: Check): boolean {
  return status === "pass";
}

/** The migrations in what was restored, compared with the heads that the backup recorded. */
async function headsBefore(
  stores: readonly DiscoveredStore[],
  request: FillRequest,
): Promise<{ readonly checks: Check[]; readonly histories: Histories }> {
  const name = "schema head";
  try {
    const histories = await migrationsOf(stores, request);
    return { checks: compareHeads(name, request.manifest.schemaHeads, histories), histories };
  } catch (error) {
    request.dependencies.signal.throwIfAborted();
    return { checks: [failedCheck({ name }, error)], histories: {} };
  }
}

/** An application that migrates when it is started on its own data was given something else than its own data. */
async function headsBooted(
  before: Histories,
  stores: readonly DiscoveredStore[],
  request: FillRequest,
): Promise<Check[]> {
  const name = "schema head once booted";
  try {
    return compareHistories(name, before, await migrationsOf(stores, request));
  } catch (error) {
    request.dependencies.signal.throwIfAborted();
    return [failedCheck({ name }, error)];
  }
}

/** Only the broker's data is bound to the name of its host. */
function hostnamesOf({ brokerNodeName, components }: Manifest): Record<string, string> {
  const service = components.find(({ store }) => store === "rabbitmq")?.service;
  const hostname = brokerNodeName?.split("@")[1];
  return service === undefined || hostname === undefined ? {} : { [service]: hostname };
}

async function missingImages(manifest: Manifest, host: Pick<Host, "engine">): Promise<Check[]> {
  const engine = await host.engine();
  const checks: Check[] = [];
  for (const [name, { image, imageId, repoDigest }] of Object.entries(manifest.services)) {
    if (await hasImage(engine, imageId)) continue;
    const detail = `the image is not on this host: docker pull ${repoDigest ?? image}`;
    checks.push({ name: "image", component: name, status: "unverifiable", detail });
  }
  return checks;
}
