import { describeError } from "../../core/errors.ts";
import { removeDeadScratches } from "../../stack/scratch.ts";
import type { Dependencies } from "./command.ts";
import type { Host } from "./host.ts";
import { removeIdleTemplates } from "./idle-templates.ts";

/** Removes the clones of killed runs, and templates that nobody needs. A failure is only a warning: it does not affect a backup or another clone. */
export async function removeDeadClones(
  dependencies: Pick<Dependencies, "reporter"> & { readonly host: Pick<Host, "engine"> },
): Promise<void> {
  const { host, reporter } = dependencies;
  await removeIdleTemplates(dependencies);
  try {
    const removed = await removeDeadScratches(await host.engine());
    for (const name of removed) reporter.info(`removed ${name}, left by a killed run`);
  } catch (error) {
    reporter.warning(`could not remove everything that a killed run left: ${describeError(error)}`);
  }
}
