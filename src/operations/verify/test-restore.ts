import { KeeperError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { DiscoveredStore } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { hasImage } from "../../stack/images.ts";
import { failedCheck, provesDamage } from "../../stores/check-result.ts";
import type { Histories } from "../../stores/ef-migrations.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import { openClone } from "../clone/clone.ts";
import { type BackedUpStore, storesOf } from "../fill/backed-up-store.ts";
import { compareHeads, compareHistories } from "../fill/compare.ts";
import { type FillRequest, fillStores, migrationsOf } from "../fill/fill-stores.ts";
import { openStackSource, type StackSource } from "../fill/stack-source.ts";
import type { SchemaVerdict } from "../gate/schema.ts";
import type { Dependencies } from "../session/command.ts";
import { removeDeadClones } from "../session/dead-clones.ts";
import type { Host } from "../session/host.ts";
import { bootClone, cloneCheck, soakMs, unjudgedChecks } from "./boot-clone.ts";

/** The parts of the host that a test restore uses. */
export type ScratchHost = Pick<Host, "workbench" | "engine">;

/** The input of a test restore. */
interface TestRestore {
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly operationId: string;
  /** The stores of a manual backup, which has no manifest and no recorded schema heads. */
  readonly stores?: readonly BackedUpStore[];
  readonly options: Pick<Options, "cloneHealth" | "healthTimeoutMs" | "logAllow" | "logDeny">;
}

/**
 * The checks of the level `restore`: restores all stores into a clone of the stack, compares them with the manifest,
 * and boots the application on them. The clone is always removed.
 *
 * @throws the reason of the signal if it is aborted; other problems are reported as checks.
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

/** {@link testRestore} for a stack whose compose model and files are not in the backup. */
export async function testRestoreOf(
  open: () => Promise<StackSource>,
  request: TestRestore,
  dependencies: Dependencies & { readonly host: ScratchHost },
): Promise<Check[]> {
  const { host, signal } = dependencies;
  try {
    await removeDeadClones(dependencies);
    const missing = await missingImages(request.manifest, host);
    if (missing.length > 0) return missing;
    await using stack = await open();
    return await inClone(stack, request, dependencies);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof KeeperError) && provesDamage(error)) throw error;
    return [failedCheck({ name: "scratch project" }, error)];
  } finally {
    // Compose may have created parts for a killed run after the first clean-up.
    await removeDeadClones(dependencies);
  }
}

async function inClone(
  stack: StackSource,
  request: TestRestore,
  dependencies: Dependencies & { readonly host: ScratchHost },
): Promise<Check[]> {
  const { manifest, source, operationId, options } = request;
  const { host, clock, reporter } = dependencies;
  const stores = request.stores ?? storesOf(manifest);
  const begun = clock.monotonicMs();
  const workbench = await host.workbench(operationId, dependencies);
  const { tasks } = workbench;
  await using clone = await openClone(
    { stack, manifest, stores, operationId, tasks },
    dependencies,
  );
  const without = [
    ...(clone.omitted.length === 0 ? [] : [cloneCheck(clone.omitted)]),
    ...unjudgedChecks(clone.unjudged),
  ];
  for (const { component = "the clone", detail } of without)
    reporter.info(`${component} ${detail}`);
  await reporter.group("Create the clone", () => clone.create());
  const filling: FillRequest = {
    ...{ target: clone, stores, manifest, source, workbench, dependencies },
    journal: async () => undefined,
  };
  const { checks: counts, stores: filled } = await fillStores(filling);
  const heads = request.stores === undefined && counts.every(isGood);
  const before = heads ? await headsBefore(filled, filling) : undefined;
  const checks = [...counts, ...(before?.checks ?? []), ...without];
  if (!checks.every(isGood) || options.cloneHealth === "off") return checks;
  const schema = async () =>
    schemaVerdict(before === undefined ? [] : await headsBooted(before.histories, filled, filling));
  const booted = await reporter.group("Boot the clone", () =>
    bootClone(clone, schema, { ...options, ...dependencies }),
  );
  if (!booted.every(isGood)) return [...checks, ...booted];
  const seconds = (clock.monotonicMs() - begun - soakMs) / 1000;
  const detail = `restored and serving after ${seconds.toFixed(1)} s`;
  return [...checks, ...booted, { name: "recovery time", status: "pass", detail }];
}

/** The first bad check decides. There is no wait for a head that cannot be read. */
function schemaVerdict(checks: readonly Check[]): SchemaVerdict {
  const bad = checks.find((check) => !isGood(check));
  if (bad === undefined) return { checks, pending: [] };
  const message = `${bad.component ?? bad.name}: ${bad.detail}`;
  return { checks, pending: [], reason: { class: "schema-conflict", message } };
}

function isGood({ status }: Check): boolean {
  return status === "pass";
}

/** Compares the migrations of the restored stores with the recorded heads. */
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

/** If an application migrates when it starts on its own data, the restored data is not its own. */
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
