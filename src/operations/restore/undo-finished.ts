import { basename } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { realPath } from "../../core/real-path.ts";
import { collecting } from "../../core/reporter.ts";
import type { Check } from "../../model/result.ts";
import type { ContainerState, VolumeStore } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { Repository } from "../../repository/repository.ts";
import { tagImage } from "../../stack/images.ts";
import { treeExchange } from "../../stores/tree/exchange-tree.ts";
import { treeAside } from "../../stores/tree/replace.ts";
import { refuseHiddenLogsOnChange } from "../backup/refuse-hidden-logs.ts";
import type { Wanted } from "../live-stack/start.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import type { Host, Workbench } from "../session/host.ts";
import { repositoryPath } from "../session/repository-path.ts";
import { findImages } from "./backup-images.ts";
import { makingsOf, type StackNow } from "./current-stack.ts";
import {
  changesSince,
  type FinishedRestore,
  lastRestore,
  mountAt,
  servicesBefore,
} from "./finished-restore.ts";
import { type RestoreSession, stampOfAside } from "./journal.ts";
import { type Prepared, prepare } from "./prepare.ts";
import type { Outcome } from "./prove-backup.ts";
import { withRestoreSession } from "./restore-session.ts";
import { enableRestarts, finish, refuseBad, startChecked } from "./restore-stack.ts";
import { refuseSharedPlaces } from "./shared-places.ts";
import { placeOf } from "./undo-restore.ts";

/** A restore that can be undone, and the images that it takes. */
interface Undoable {
  readonly last: FinishedRestore;
  /** Where what comes back is now. */
  readonly content: readonly { readonly place: string; readonly from: string }[];
  readonly services: ReturnType<typeof servicesBefore>;
  /** The engine's name of each image that comes back. */
  readonly images: Readonly<Record<string, string>>;
}

/**
 * Undoes the newest finished restore: stops the stack, exchanges the content that the restore set aside with what is there
 * now, gives the containers their previous images, and starts the stack. Nothing is removed: the current content is set
 * aside instead, and undoing the undo brings it back.
 *
 * @throws RefusedError before anything is changed, and the errors of {@link withRestoreSession}.
 */
export async function undoFinishedRestore(
  options: Options,
  dependencies: HostDependencies,
): Promise<Outcome> {
  const { host } = dependencies;
  const project = await host.project(options, dependencies);
  const named = { ...options, projectName: project };
  const discover = () => host.readStack(named, dependencies);
  if (options.dryRun) {
    const workbench = await host.workbench("dry-run", dependencies);
    const { operations } = new Repository(repositoryPath(options, project));
    const asked = { operations, stack: await discover(), host, tasks: workbench.tasks };
    return { result: "planned", plan: planned(await undoable(asked), asked.stack, options) };
  }
  const warnings: string[] = [];
  const doing = { ...dependencies, reporter: collecting(dependencies.reporter, warnings) };
  const target = { project, discover, what: "undo" };
  return await withRestoreSession(target, options, doing, async (session) => {
    const { last, ...restored } = await exchangeAll(session);
    const kept = restored.setAside.map((path) => `what the restore brought is kept in ${path}`);
    return {
      ...{ result: "restored", undone: last.id, ...restored },
      ...{ recovered: session.recovered, warnings: [...warnings, ...kept] },
    };
  });
}

async function exchangeAll(session: RestoreSession) {
  const { repository, stack, host, tasks, dependencies, id, journal } = session;
  const { clock, reporter } = dependencies;
  const found = await undoable({ operations: repository.operations, stack, host, tasks }, true);
  const { last, services, images } = found;
  await refusePlaces(session, last);
  const begun = clock.monotonicMs();
  const now: StackNow = { ...stack, filesFromBackup: false, moved: undefined };
  const manifest = { services };
  const about = { session, stack: now, manifest, images };
  const prepared = await prepare({ ...about, files: undefined, stores: [] });
  const setAside = await reporter.group("Exchange the content", async () => {
    const asides: string[] = [];
    for (const { target, stamp: from, place } of last.places) {
      const exchange = { target, stamp: stampOfAside(id), from };
      journal.append("restore", "exchange", { ...exchange, place });
      const { aside } = await tasks.run(treeExchange, exchange, placeOf(place));
      reporter.info(`${target}: what the restore brought is in ${aside}`);
      asides.push(aside);
    }
    return asides;
  });
  journal.append("restore", "start", {});
  const checks = await reporter.group("Start the stack", () =>
    startAgain(session, now, prepared, last),
  );
  refuseBad(checks);
  const downtimeSeconds = (clock.monotonicMs() - begun) / 1000;
  await enableRestarts(session, prepared);
  await finish(session, []);
  return { last, checks, setAside, downtimeSeconds };
}

/**
 * Starts what ran before the undo; if nothing ran, what ran before the restore. A container that was not well before the
 * restore need not be well on its data.
 */
async function startAgain(
  session: RestoreSession,
  stack: StackNow,
  { containers }: Prepared,
  { before }: FinishedRestore,
): Promise<Check[]> {
  const earlier = new Map(before.map((one) => [one.name, one]));
  const wasUp = containers.some(({ ran }) => ran);
  const started = containers.filter(({ name, ran }) =>
    wasUp ? ran : earlier.get(name)?.ran === true,
  );
  const wanted = started.map(
    ({ name, ran, state }): Wanted => ({
      ...{ name, state: ran && state === "paused" ? "paused" : "running" },
      healthy: earlier.get(name)?.healthy ?? true,
    }),
  );
  const { reporter } = session.dependencies;
  const isWell = ({ name }: Pick<ContainerState, "name">) => wasWell(earlier.get(name));
  for (const { name, service } of started) {
    if (isWell({ name })) continue;
    reporter.warning(`${service} was not healthy before the restore, and is not waited for`);
  }
  return await startChecked(session, stack, wanted, isWell);
}

/** A container that was still starting may well have become healthy. */
function wasWell(earlier: FinishedRestore["before"][number] | undefined): boolean {
  if (earlier === undefined) return true;
  const ran = earlier.state === "running" || earlier.state === "paused";
  return earlier.healthy || (ran && ["none", "starting"].includes(earlier.health));
}

/** @throws RefusedError if a place is in use elsewhere, or a part of a database is only in a container. */
async function refusePlaces(session: RestoreSession, last: FinishedRestore): Promise<void> {
  const { containers } = session.stack;
  const stores = last.places.flatMap((place): VolumeStore[] => {
    const mount = mountAt(place, containers);
    if (mount === undefined) return [];
    const name = place.target;
    // Whether it is a file or a directory: only a mounted file has its log elsewhere.
    const file = { isFile: true, databases: [basename(name)] };
    return [{ kind: "volume", name, mount, services: [], ...file }];
  });
  await refuseSharedPlaces(
    session,
    stores.map(({ name, mount }) => ({ store: { name }, mount })),
  );
  await session.repository.refuseInside(stores.map(({ mount }) => realPath(mount.source)));
  await refuseHiddenLogsOnChange({ stores, containers }, await session.host.engine());
}

interface UndoableRequest {
  readonly operations: string;
  readonly stack: Pick<StackNow, "project" | "containers" | "model">;
  readonly host: Pick<Host, "engine">;
  readonly tasks: Workbench["tasks"];
}

/**
 * The newest restore, if it can be undone. Changes nothing, except that `tags` gives nameless images a tag.
 *
 * @throws RefusedError that says why not.
 */
async function undoable(
  { operations, stack, host, tasks }: UndoableRequest,
  tags = false,
): Promise<Undoable> {
  const last = lastRestore(operations, stack.project);
  if (last === undefined || last.places.length === 0) {
    throw new RefusedError(
      last === undefined
        ? `no restore of ${stack.project} is recorded in this repository`
        : `restore ${last.id} replaced no content`,
      { class: "nothing-to-undo", hint: "sophon-keeper list shows what restores set aside" },
    );
  }
  const content: { place: string; from: string }[] = [];
  for (const { target, stamp, place } of last.places) {
    const { path } = await tasks.run(treeAside, { target, stamp }, placeOf(place));
    if (path?.endsWith(stamp) === true) {
      content.push({ place: target, from: path });
      continue;
    }
    throw new RefusedError(
      `what restore ${last.id} set aside of ${target} ${path === undefined ? "has been removed" : `is incomplete: ${path}`}`,
      { class: "nothing-to-undo", hint: "restore a backup from before it instead" },
    );
  }
  refuseChanged(last, stack);
  const services = servicesBefore(last);
  const engine = await host.engine();
  const give = tags
    ? (imageId: string, reference: string) => tagImage(engine, imageId, reference)
    : undefined;
  const { replace } = makingsOf({ services }, stack, [], { only: [], keepImages: false });
  const needed = Object.entries(services).filter(([name]) => replace.includes(name));
  const images = await findImages(engine, Object.fromEntries(needed), give);
  for (const [service, { image, imageId }] of needed) {
    if (images[service] !== undefined) continue;
    throw new RefusedError(
      `service ${service} ran ${image} (${imageId}) before the restore, and this host no longer has that image`,
      { class: "no-image", hint: "pull or load it again (docker load), then undo" },
    );
  }
  const named = needed.map(([service]) => [service, images[service] ?? ""]);
  return { last, content, services, images: Object.fromEntries(named) };
}

function refuseChanged(last: FinishedRestore, { containers, model }: UndoableRequest["stack"]) {
  if (last.left === undefined) {
    throw new RefusedError(
      `restore ${last.id} was made by a version that did not record what undo needs`,
      { class: "changed-since", hint: "move the content back by hand: docs/recovery.md" },
    );
  }
  const [change] = changesSince(last, containers, Object.keys(model.services));
  if (change === undefined) return;
  throw new RefusedError(`the stack was changed after restore ${last.id}: ${change}`, {
    class: "changed-since",
    hint: "what the restore set aside belongs to the stack as it was: bring that back first, or restore a backup from before the restore",
  });
}

/** What an undo would do. */
function planned(
  { last, content, images }: Undoable,
  { project }: Pick<StackNow, "project">,
  { pin }: Options,
): Readonly<Record<string, unknown>> {
  return {
    ...{ project, restore: last.id, at: last.at ?? null },
    content,
    images: Object.entries(images).map(([service, image]) => ({ service, image, pin })),
  };
}
