import { RefusedError } from "../../core/errors.ts";
import { mountPoints } from "../../core/mount-points.ts";
import { realPath } from "../../core/real-path.ts";
import { collecting } from "../../core/reporter.ts";
import { type Component, type Manifest, stackKind } from "../../model/manifest.ts";
import type { DiscoveredStore, Mount } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { rangesOf, type SourceOptions, sourceMounts, sourceOf } from "../../stores/reader.ts";
import type { MemberSelection } from "../../stores/tree/extract-members.ts";
import { membersAtPlace, placeMembers } from "../../stores/tree/place-members.ts";
import { fileOf, placesInside, replacementPlace } from "../../stores/tree/restore.ts";
import { shownPath } from "../browse/entries.ts";
import type { SizedSelection } from "../browse/select.ts";
import { type BackedUpStore, type StoreHandler, storesOf } from "../fill/backed-up-store.ts";
import { stackOf } from "../fill/stack-source.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import type { Workbench } from "../session/host.ts";
import { makingsOf, type StackNow, stackNow } from "./current-stack.ts";
import { stampOfAside } from "./journal.ts";
import type { ChosenBackup, Outcome } from "./prove-backup.ts";
import { standingPlace } from "./put-stack-files.ts";
import { withRepository } from "./restore-backup.ts";
import { withRestoreSession } from "./restore-session.ts";
import { restoreLive } from "./restore-stack.ts";
import { readChecks, selectPaths, shownRoots } from "./select-paths.ts";
import { mountOf } from "./store-mounts.ts";

type Detail = Component["details"][string];

/** Files and directories of one component, and the mount that they are restored into. */
interface PlacedSelection {
  readonly selection: SizedSelection;
  readonly store: BackedUpStore;
  readonly mount: Mount;
}

/**
 * Restores files and directories of a backup into the running stack: sets the content of their volumes or directories aside,
 * continues on a copy of it in which they are as in the backup, and starts the stack. Containers keep their images. The
 * previous content stays, and `undo` puts it back.
 *
 * @throws RefusedError before anything is touched, DamagedError, UnverifiableError, and the errors of
 *   {@link withRestoreSession}.
 */
export async function pathsInPlace(
  backup: ChosenBackup,
  options: Options,
  dependencies: HostDependencies,
): Promise<Outcome> {
  const { host, signal, reporter } = dependencies;
  const { source, found } = backup;
  const selected = await selectPaths(backup, options, dependencies);
  if ("result" in selected) return selected;
  const { manifest, selections, checks } = selected;
  const files = await stackOf(manifest, source, signal);
  const discover = () => stackNow(files, options, host);
  const stack = await discover();
  const placed = placesOf(selections, manifest, stack);
  const workbench = await host.workbench("restore", dependencies);
  const entries = await lookAtPlaces(placed, workbench, signal);
  if (options.dryRun) {
    const bytes = selections.reduce((sum, one) => sum + one.bytes, 0);
    const plan = { project: stack.project, backup: found.id, entries, bytes };
    return { result: "planned", plan };
  }
  await reporter.group("Read what is restored", () => readAll(selections, source, signal));
  const warnings: string[] = [];
  const own = {
    ...withRepository(options, found),
    keepImages: true,
    only: placed.map(({ store }) => store.name),
  };
  const doing = { ...dependencies, reporter: collecting(reporter, warnings) };
  const target = { project: stack.project, discover };
  const { restored, recovered } = await withRestoreSession(target, own, doing, async (session) => {
    const stores = placed.map((one) => storeFor(one, session.id));
    const about = { session, stack: session.stack as StackNow, manifest, source };
    const restored = await restoreLive({ ...about, stores, files: undefined, images: {} });
    return { restored, recovered: session.recovered };
  });
  const kept = restored.setAside.map((path) => `the previous content is kept in ${path}`);
  return {
    result: "restored",
    ...restored,
    entries: shownRoots(selections),
    checks: [...checks, ...readChecks(selections), ...restored.checks],
    recovered,
    warnings: [...warnings, ...kept],
  };
}

/** @throws RefusedError for what has no place in the containers of this host. */
function placesOf(
  selections: readonly SizedSelection[],
  manifest: Manifest,
  stack: StackNow,
): PlacedSelection[] {
  const stores = storesOf(manifest);
  const placed = selections.map((selection) => {
    const { component } = selection;
    const store = stores.find(({ components }) => components.includes(component));
    if (store === undefined || component.store === stackKind) {
      throw new RefusedError(`path: ${component.name} has the files that define the stack`, {
        class: "input",
        hint: "give --target DIRECTORY, compare them with the current ones, and copy what you need",
      });
    }
    return { selection, store };
  });
  const only = placed.map(({ store }) => store.name);
  const chosen = placed.map(({ store }) => store);
  const { create } = makingsOf(manifest, stack, chosen, { only, keepImages: true });
  if (create.length > 0) {
    throw new RefusedError(
      `path: the data of service ${create.join(", ")} has no place, because it has no container`,
      {
        class: "no-container",
        hint: "give --target DIRECTORY, or restore the whole backup: restore creates the containers",
      },
    );
  }
  return placed.map((one) => {
    const mount = mountOf(one.store, stack.model, stack.containers);
    refuseInnerMount(one.store, mount);
    return { ...one, mount };
  });
}

/** A copy would contain the content of another file system, which stays mounted in what is set aside. */
function refuseInnerMount({ name, ...store }: BackedUpStore, mount: Mount): void {
  if (fileOf(store.components[0]) !== undefined) return;
  const top = realPath(mount.source);
  const inner = mountPoints().find((path) => path.startsWith(`${top}/`));
  if (inner === undefined) return;
  throw new RefusedError(`path: ${inner} is a file system of its own inside the place of ${name}`, {
    class: "no-place",
    hint: "give --target DIRECTORY, stop the stack, and copy what you need from there",
  });
}

/**
 * What is there now, before anything is stopped.
 *
 * @returns each path with whether it replaces something.
 * @throws RefusedError if a file or link stands where a directory must be.
 */
async function lookAtPlaces(
  placed: readonly PlacedSelection[],
  { tasks }: Pick<Workbench, "tasks">,
  signal: AbortSignal,
) {
  const entries: { path: string; in: string; exists: boolean }[] = [];
  for (const { selection, mount } of placed) {
    const { component, roots } = selection;
    const target = realPath(mount.source);
    const place = standingPlace(replacementPlace(target, mount));
    const isFile = fileOf(component) !== undefined;
    const params = { target, roots: isFile ? [] : roots };
    const looked = await tasks.run(membersAtPlace, params, place, signal);
    const blocked = looked.find(({ blockedBy }) => blockedBy !== undefined);
    if (blocked !== undefined) {
      throw new RefusedError(
        `path: ${blocked.name} cannot be restored in place, because ${blocked.blockedBy} is not a directory any more`,
        {
          class: "path-blocked",
          hint: "give --target DIRECTORY, and copy what you need from there",
        },
      );
    }
    for (const [at, name] of roots.entries()) {
      const path = shownPath(component, { name });
      entries.push({ path, in: mount.volume ?? target, exists: looked[at]?.exists ?? true });
    }
  }
  return entries;
}

/** Damage is found before anything is stopped. */
async function readAll(
  selections: readonly MemberSelection[],
  source: SourceOptions,
  signal: AbortSignal,
): Promise<void> {
  for (const { component, ranges } of selections) {
    for await (const _ of rangesOf(source, component, ranges, signal)) signal.throwIfAborted();
  }
}

/** The store of a selection: the whole one, if all of it or its only file is selected. */
function storeFor({ selection, store, mount }: PlacedSelection, id: string): BackedUpStore {
  const { component, roots } = selection;
  if (roots.includes(".") || fileOf(component) !== undefined) return { ...store, mount };
  const part: Component = {
    ...component,
    counts: { restored: roots.length },
    details: {
      ...component.details,
      databases: chosenOf(component.details.databases, roots),
      schemaHeads: chosenOf(component.details.schemaHeads, roots),
    },
  };
  const handler = partOfTree(selection, stampOfAside(id));
  return { ...store, mount, components: [part], handler, isPart: true };
}

/** The databases that are restored, of a record by path. */
function chosenOf(recorded: Detail | undefined, roots: readonly string[]): Detail {
  const isIn = (path: string) => roots.some((root) => path === root || path.startsWith(`${root}/`));
  const all = Object.entries((recorded ?? {}) as Readonly<Record<string, Detail>>);
  return Object.fromEntries(all.filter(([path]) => isIn(path)));
}

/** Restores a part of a tree into a copy of its content; the stamp is that of the content that was set aside. */
function partOfTree(selection: MemberSelection, stamp: string): StoreHandler {
  let restored = 0;
  return {
    restore: async (store, components, context) => {
      const { mount } = store as DiscoveredStore & { readonly mount: Mount };
      const target = realPath(mount.source);
      const { mounts } = replacementPlace(target, mount);
      const inner = placesInside(target, [...(context.places ?? []), ...(context.mounted ?? [])]);
      const params = { target, stamp, source: sourceOf(context), selection, inner };
      const place = { mounts: [...mounts, ...sourceMounts(context, components)] };
      const { placed } = await context.tasks.run(placeMembers, params, place, context.signal);
      restored = placed;
    },
    measure: async () => ({ restored }),
  };
}
