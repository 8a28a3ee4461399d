import { RefusedError } from "../core/errors.ts";
import { type CommandName, commandDescriptions } from "../options/command-names.ts";

/** What is looked at in the event that started the workflow. */
interface EventPayload {
  readonly pull_request?: {
    readonly head?: { readonly repo?: { readonly full_name?: string } | null };
  };
  readonly workflow_run?: { readonly head_repository?: { readonly full_name?: string } | null };
}

/**
 * Refuses to touch the host for a pull request of a fork: whoever opens one decides what it holds, and
 * with Docker on a self-hosted runner that is the root of the host.
 *
 * @param payload - the parsed event file, `undefined` where there is none
 * @throws RefusedError for a mode that changes the stack.
 */
export function refuseForks(
  command: CommandName,
  event: string,
  repository: string,
  payload: unknown,
): void {
  if (!commandDescriptions[command].live) return;
  const { pull_request: pull, workflow_run: run } = (payload ?? {}) as EventPayload;
  const head = pull === undefined ? run?.head_repository : (pull.head?.repo ?? null);
  // A deleted fork has no name any more: still not this repository.
  if (head === undefined || head?.full_name === repository) return;
  throw new RefusedError(
    `mode ${command} does not run for a pull request of a fork (${event} from ${head?.full_name ?? "a deleted repository"}): start it by schedule, workflow_dispatch or push`,
    { class: "fork" },
  );
}
