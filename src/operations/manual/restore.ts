import { randomBytes } from "node:crypto";
import { realpath } from "node:fs/promises";
import { RefusedError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Result } from "../../model/result.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import { withRestoreSession } from "../restore/restore-session.ts";
import { type LiveRestored, restoreLive } from "../restore/restore-stack.ts";
import { chosenStores } from "../restore/store-mounts.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { failureOf, verdictOf } from "../verify/levels.ts";
import type { HandMadeSet } from "./find-files.ts";
import { stackNow } from "./locate.ts";
import { examineSet, summaryOf } from "./read-set.ts";
import { directoryOf, manifestOf, storesOfSet } from "./stores-of-set.ts";

/** What to restore, in the form of a backup of this tool. */
interface ManualRestore {
  readonly stack: Stack;
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly stores: readonly BackedUpStore[];
}

/**
 * Restores a manual backup: reads all files to the end first, then replaces each store that they contain, and nothing
 * else. Setting aside, filling, starting and undoing work as for backups of this tool.
 *
 * @throws RefusedError before anything is changed, and the errors of {@link withRestoreSession}.
 */
export async function restoreHandMade(
  set: HandMadeSet,
  options: Options,
  dependencies: HostDependencies,
): Promise<Result> {
  const { clock, host, reporter } = dependencies;
  const begun = clock.monotonicMs();
  const seconds = () => (clock.monotonicMs() - begun) / 1000;
  const operationId = `restore-${randomBytes(4).toString("hex")}`;
  const stack = await stackNow(options, dependencies);
  const examined = await examineSet(set, options, operationId, dependencies);
  const { checks, unknown } = summaryOf(set, examined);
  const about = { path: set.path, checks, unknown };
  const verdict = verdictOf(checks);
  if (verdict !== "verified") {
    const reason = { class: verdict, message: failureOf(checks) };
    return { result: verdict, seconds: seconds(), ...about, reason };
  }
  const workbench = await host.workbench(operationId, dependencies);
  const engine = await host.engine();
  const all = await storesOfSet(examined, { stack, options, engine, workbench });
  const stores = chosenStores(all, options.only);
  await refuseInside(set, stores);
  await refuseOtherMajor(stores, stack);
  if (options.dryRun) {
    const plan = { project: stack.project, backup: set.path, stores: stores.map(planned) };
    return { result: "planned", seconds: seconds(), ...about, plan };
  }
  const source = { directory: directoryOf(set), identities: [], passphrase: undefined };
  const manifest = manifestOf(set, stores, stack);
  const request = { stack, manifest, source, stores };
  const { restored, recovered } = await restoreFiles(request, options, dependencies);
  for (const path of restored.setAside) reporter.info(`kept: ${path}`);
  return {
    result: "restored",
    seconds: seconds(),
    ...about,
    checks: [...checks, ...restored.checks],
    downtimeSeconds: restored.downtimeSeconds,
    setAside: restored.setAside,
    recovered,
    warnings: restored.setAside.map((path) => `what was there before is kept in ${path}`),
  };
}

/** The places are known, and the current containers stay. */
async function restoreFiles(
  { stack, manifest, source, stores }: ManualRestore,
  options: Options,
  dependencies: HostDependencies,
): Promise<{ readonly restored: LiveRestored; readonly recovered: readonly string[] }> {
  const { project } = stack;
  const named = { ...options, projectName: project };
  const discover = () => dependencies.host.readStack(named, dependencies);
  return await withRestoreSession({ project, discover }, options, dependencies, async (session) => {
    const now = { ...session.stack, filesFromBackup: false, moved: undefined };
    const request = { session, stack: now, manifest, source, stores, images: {}, files: undefined };
    return { restored: await restoreLive(request), recovered: session.recovered };
  });
}

/** Content inside a place that is set aside would be set aside with it. */
async function refuseInside(set: HandMadeSet, stores: readonly BackedUpStore[]): Promise<void> {
  for (const { path } of set.files) {
    const real = await realpath(path);
    const inside = stores.find(({ mount }) => real.startsWith(`${mount?.source}/`));
    if (inside === undefined) continue;
    throw new RefusedError(`${path} lies in ${inside.mount?.source}, which is to be replaced`, {
      class: "inside",
      hint: "copy it to another directory, and restore from there",
    });
  }
}

/** Asks the server if it runs; otherwise its image tells the version before anything is stopped. */
async function refuseOtherMajor(
  stores: readonly BackedUpStore[],
  { containers }: Stack,
): Promise<void> {
  for (const { kind, service, components } of stores) {
    if (kind !== "postgres") continue;
    const image = containers.find((container) => container.service === service);
    const runs = Number.parseInt(image?.environment.PG_MAJOR ?? "", 10);
    const other = components.find(
      ({ details: { major } }) => major !== undefined && major !== runs,
    );
    if (Number.isNaN(runs) || other === undefined) continue;
    throw new RefusedError(
      `${other.name} is of PostgreSQL ${other.details.version}, and ${service} runs ${runs}`,
      {
        class: "postgres-major",
        hint: `start ${service} with an image of PostgreSQL ${other.details.major} on an empty volume and restore into that; a move to another major version is an upgrade of its own`,
      },
    );
  }
}

function planned({ name, kind, mount, components, isPart }: BackedUpStore) {
  const whole = mount?.volume ?? mount?.source;
  const part = components.map(({ details }) => details.database ?? details.collection).join(", ");
  return {
    ...{ name, kind, replaces: isPart === true ? `${part} in ${whole}` : whole },
    by: components.map(({ file }) => file),
  };
}
