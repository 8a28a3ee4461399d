import { RefusedError } from "../core/errors.ts";
import { type CommandName, commandDescriptions } from "../options/command-names.ts";

/** The parts of the workflow event that decide whether a mode may run. */
interface EventPayload {
  readonly pull_request?: {
    readonly head?: { readonly repo?: { readonly full_name?: string } | null };
  };
  readonly workflow_run?: { readonly head_repository?: { readonly full_name?: string } | null };
}

/**
 * Refuses to change the host for a pull request from a fork. Its author controls the workflow's content, and access to
 * Docker on a self-hosted runner is root access to the host.
 *
 * @param payload - the parsed event file; `undefined` if there is none
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
  // A deleted fork has no name any more, but it is still another repository.
  if (head === undefined || head?.full_name === repository) return;
  throw new RefusedError(
    `mode ${command} does not run for a pull request of a fork (${event} from ${head?.full_name ?? "a deleted repository"}): start it by schedule, workflow_dispatch or push`,
    { class: "fork" },
  );
}
