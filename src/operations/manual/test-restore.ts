import { KeeperError } from "../../core/errors.ts";
import { clearDirectory } from "../../core/temp.ts";
import { UndoStack } from "../../core/undo.ts";
import type { Check } from "../../model/result.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { failedCheck } from "../../stores/check-result.ts";
import { backupStackFiles } from "../../stores/stack-files/stack-files.ts";
import type { BackupContext } from "../../stores/store.ts";
import { openStackSource } from "../fill/stack-source.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host } from "../session/host.ts";
import { type ScratchHost, testRestoreOf } from "../verify/test-restore.ts";
import type { HandMadeSet } from "./find-files.ts";
import { serverContainer } from "./locate.ts";
import type { Examined } from "./read/read-result.ts";
import { directoryOf, manifestOf, storesOfSet } from "./stores-of-set.ts";

/** The parts of the host for a test restore of a manual backup. */
export type HandMadeScratchHost = ScratchHost & Pick<Host, "readStack">;

/** The input of a test restore of a manual backup. */
interface HandMadeTest {
  readonly set: HandMadeSet;
  readonly examined: readonly Examined[];
  readonly options: Options;
  readonly operationId: string;
}

/**
 * Restores the files into an isolated clone of the current stack with its current images, and counts their content. Boots
 * the application if the set contains everything that it needs to start.
 *
 * @returns the checks, and what they could not determine.
 * @throws the reason of the signal if it is aborted. What cannot be done is an `unverifiable` check.
 */
export async function testHandMade(
  { set, examined, options, operationId }: HandMadeTest,
  dependencies: Dependencies & { readonly host: HandMadeScratchHost },
): Promise<{ readonly checks: readonly Check[]; readonly unknown: readonly string[] }> {
  const { host, signal } = dependencies;
  try {
    const stack = await host.readStack(options, dependencies);
    const workbench = await host.workbench(operationId, dependencies);
    const engine = await host.engine();
    const stores = await storesOfSet(examined, { stack, options, engine, workbench });
    const manifest = manifestOf(set, stores, stack);
    const source = { directory: directoryOf(set), identities: [], passphrase: undefined };
    const missing = missingForStart(examined, stack, options);
    const cloneHealth = missing.length === 0 ? options.cloneHealth : "off";
    await using directory = await clearDirectory("sophon-keeper-hand-made-", { bytes: 0 });
    const open = async () => {
      const packed = await backupStackFiles(withPlaces(stack), {
        ...workbench,
        ...{ reporter: dependencies.reporter, clock: dependencies.clock, signal },
        ...{ undo: new UndoStack(), journal: async () => undefined, rabbitmqMessages: "none" },
        includeHostFiles: options.includeHostFiles,
        sink: { directory: directory.path, recipients: [], passphrase: undefined },
      } satisfies BackupContext);
      const ofStack = { ...source, directory: directory.path };
      return await openStackSource({ ...manifest, components: [packed] }, ofStack, signal);
    };
    const request = { manifest, source, operationId, stores };
    const checks = await testRestoreOf(
      open,
      { ...request, options: { ...options, cloneHealth } },
      dependencies,
    );
    const notBooted = `whether the application starts on it: that takes its ${missing.join(" and ")}, too`;
    const images = "which images it is of: it was restored with those that are there now";
    return { checks, unknown: missing.length === 0 ? [images] : [images, notBooted] };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof KeeperError)) throw error;
    return { checks: [failedCheck({ name: "scratch project" }, error)], unknown: [] };
  }
}

/** What the application needs to start and the set does not contain. */
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
