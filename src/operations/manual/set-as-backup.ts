import { KeeperError } from "../../core/errors.ts";
import { clearDirectory } from "../../core/temp.ts";
import { UndoStack } from "../../core/undo.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import { backupStackFiles } from "../../stores/stack-files/stack-files.ts";
import type { BackupContext } from "../../stores/store.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import { openStackSource, type StackSource } from "../fill/stack-source.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host } from "../session/host.ts";
import type { HandMadeSet } from "./find-files.ts";
import { serverContainer, stackNow } from "./locate.ts";
import type { Examined } from "./read/read-result.ts";
import { withRolesOf } from "./restore-postgres.ts";
import { directoryOf, manifestOf, serverAt, storesOfSet } from "./stores-of-set.ts";

/** The parts of the host that tell what a manual backup does not: the stack as it is now. */
export type CurrentStackHost = Pick<Host, "readStack" | "workbench" | "engine">;

/** A manual backup that was read. */
export interface ExaminedSet {
  readonly set: HandMadeSet;
  readonly examined: readonly Examined[];
  readonly options: Options;
  readonly operationId: string;
}

/** A manual backup in the form of one of this tool. The stack as it is now tells what a manifest would. */
interface SetAsBackup {
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly stores: readonly BackedUpStore[];
  /** What the application needs to start and the set does not contain. */
  readonly missing: readonly string[];
  /** The current definition of the stack. */
  openStack(): Promise<StackSource>;
}

/** What no check of a manual backup can determine when it is restored into a clone. */
export const unknownImages = "which images it is of: it was restored with those that are there now";

/**
 * Describes a manual backup like one of this tool.
 *
 * @throws RefusedError if the stack is not on this host, or has no place for a file.
 */
export async function setAsBackup(
  { set, examined, options, operationId }: ExaminedSet,
  dependencies: Dependencies & { readonly host: CurrentStackHost },
): Promise<SetAsBackup> {
  const { host, reporter, clock, signal } = dependencies;
  const stack = await stackNow(options, dependencies);
  const workbench = await host.workbench(operationId, dependencies);
  const engine = await host.engine();
  const known = { stack, options, engine, workbench };
  const stores = await Promise.all(
    (await storesOfSet(examined, known)).map(async (store) => {
      if (store.kind !== "postgres") return store;
      const { at } = await serverAt("postgres", known);
      return { ...store, handler: await withRolesOf(at, { ...workbench, signal }) };
    }),
  );
  const manifest = manifestOf(set, stores, stack);
  const source = { directory: directoryOf(set), identities: [], passphrase: undefined };
  return {
    ...{ manifest, source, stores },
    missing: missingForStart(examined, stack, options),
    openStack: async () => {
      await using directory = await clearDirectory("sophon-keeper-hand-made-", { bytes: 0 });
      const packed = await backupStackFiles(withPlaces(stack), {
        ...workbench,
        ...{ reporter, clock, signal },
        ...{ undo: new UndoStack(), journal: async () => undefined, rabbitmqMessages: "none" },
        includeHostFiles: options.includeHostFiles,
        sink: { directory: directory.path, recipients: [], passphrase: undefined },
      } satisfies BackupContext);
      const ofStack = { ...source, directory: directory.path };
      return await openStackSource({ ...manifest, components: [packed] }, ofStack, signal);
    },
  };
}

function missingForStart(
  examined: readonly Examined[],
  stack: Stack,
  options: Options,
): readonly string[] {
  const kinds = new Set(examined.map(({ file }) => file.kind));
  const missing = kinds.has("data") ? [] : ["data directory"];
  if (kinds.has("sql") || kinds.has("dump") || !hasPostgres(stack, options)) return missing;
  return [...missing, "PostgreSQL dump"];
}

function hasPostgres(stack: Stack, options: Options): boolean {
  try {
    serverContainer(stack, "postgres", options);
    return true;
  } catch (error) {
    if (error instanceof KeeperError) return false;
    throw error;
  }
}

/** Files that the stack writes are not part of its own files. */
function withPlaces(stack: Stack): Stack {
  const mounts = stack.containers.flatMap((container) => container.mounts);
  const stores = mounts
    .filter(({ writable, source }) => writable && source !== "")
    .map((mount) => ({
      ...{ kind: "volume" as const, name: mount.source, mount, services: [], databases: [] },
    }));
  return { ...stack, stores };
}
