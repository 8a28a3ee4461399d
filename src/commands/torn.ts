import { basename } from "node:path";
import { RefusedError } from "../core/errors.ts";
import type { Stack } from "../model/stack.ts";
import type { Options } from "../options.ts";
import { Repository } from "../repository/repository.ts";
import { listUnfinished } from "../upgrade/journal.ts";
import type { Dependencies } from "./command.ts";
import type { Host } from "./host.ts";
import { repositoryPath } from "./repository-path.ts";
import { recoverJournal } from "./restore-point/journal.ts";
import { withSession } from "./session.ts";

/** A stack, and what had to be put back before it could be recognised. */
export interface WholeStack {
  readonly stack: Stack;
  readonly recovered: readonly string[];
}

/**
 * Finds the stack. Where a killed restore left it in pieces (a place set aside, nothing in it yet), discovery refuses it:
 * what the journal tells is put back first, then it is looked for again.
 *
 * @throws what discovery throws when there is no such restore.
 */
export async function discoverWhole(
  options: Options,
  dependencies: Dependencies & { readonly host: Host },
): Promise<WholeStack> {
  try {
    return { stack: await dependencies.host.discover(options, dependencies), recovered: [] };
  } catch (error) {
    const torn = error instanceof RefusedError ? await tornStack(options, dependencies) : undefined;
    if (torn === undefined) throw error;
    const host = { ...dependencies.host, discover: async () => torn };
    const { recovered } = await withSession(
      torn,
      recoverJournal,
      options,
      { ...dependencies, host },
      async (session) => session,
    );
    return { stack: await dependencies.host.discover(options, dependencies), recovered };
  }
}

async function tornStack(
  options: Options,
  { host }: { readonly host: Pick<Host, "containersOf"> },
): Promise<Stack | undefined> {
  const name = options.projectName ?? composeName(options.projectDirectory ?? process.cwd());
  const { operations } = new Repository(repositoryPath(options, name));
  const restore = listUnfinished(operations).find(({ operation }) => operation === "restore");
  if (restore === undefined) return undefined;
  const project = typeof restore.about.project === "string" ? restore.about.project : name;
  return bareStack(project, await host.containersOf(project));
}

/** A stack of which only the containers are known. */
export function bareStack(project: string, containers: Stack["containers"]): Stack {
  return {
    project,
    containers,
    model: { name: project, services: {} },
    ...{ directory: "", composeFiles: [], envFiles: [], profiles: [], tier: "other" },
    ...{ stores: [], excluded: [], secrets: [] },
  };
}

/** The name that Compose gives a project by its directory. */
function composeName(directory: string): string {
  return basename(directory)
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "")
    .replace(/^[^a-z0-9]+/, "");
}
