import { RefusedError } from "../core/errors.ts";
import { readRegularFile } from "../core/regular-file.ts";

/** The parts of the workflow event that decide whether the action may run. */
interface EventPayload {
  readonly pull_request?: { readonly head?: { readonly repo?: NamedRepository | null } };
  readonly workflow_run?: { readonly head_repository?: NamedRepository | null };
  readonly issue?: { readonly pull_request?: object };
  readonly comment?: { readonly author_association?: string };
}

interface NamedRepository {
  readonly full_name?: string;
}

/** The event as the runner describes it. */
export interface WorkflowEvent {
  readonly name: string;
  /** `owner/name` of the repository whose workflow runs. */
  readonly repository: string;
  readonly payload: unknown;
}

/** Only those who may write to the repository cause these events. */
const trustedEvents: readonly string[] = [
  ...["push", "schedule", "workflow_dispatch", "repository_dispatch", "release", "merge_group"],
];
const trustedAuthors: readonly string[] = ["OWNER", "MEMBER", "COLLABORATOR"];
/** GitHub cuts what is larger than 25 MB. */
const payloadLimitBytes = 32 * 2 ** 20;
const advice = "start it by schedule, workflow_dispatch or push";

/**
 * Refuses every mode for an event that somebody without write access to the repository can cause. Access to Docker on a
 * self-hosted runner is root access to the host, and reading a backup reads every secret of the stack. This is an
 * allow-list: an event that is unknown or cannot be read is refused.
 *
 * @throws RefusedError of class `fork` if the event comes from another repository, and of class `event` for the rest.
 */
export function requireTrustedEvent({ name, repository, payload }: WorkflowEvent): void {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    refuse("event", `the event ${shown(name)} is no JSON object`);
  }
  const { pull_request: pull, workflow_run: run, issue, comment } = payload as EventPayload;
  if (trustedEvents.includes(name)) return;
  switch (name) {
    case "pull_request":
    case "pull_request_target":
      // A deleted fork has no name any more, but it is still another repository.
      requireSameRepository(name, repository, pull?.head?.repo);
      break;
    case "workflow_run":
      requireSameRepository(name, repository, run?.head_repository);
      break;
    case "issue_comment":
      if (typeof issue?.pull_request !== "object" || issue.pull_request === null) {
        refuse("event", "the comment (issue_comment) is not on a pull request");
      }
      if (!trustedAuthors.some((one) => one === comment?.author_association)) {
        refuse(
          "event",
          "the author of the comment (issue_comment) is no owner, member or collaborator",
        );
      }
      break;
    default:
      refuse("event", `the event ${shown(name)} is not one that this action runs for`);
  }
}

/**
 * The event of this step.
 *
 * @throws RefusedError of class `event` if the runner's event file is missing or is not JSON.
 */
export async function readEvent(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<WorkflowEvent> {
  const { GITHUB_EVENT_NAME: name = "", GITHUB_EVENT_PATH: path = "" } = environment;
  const { GITHUB_REPOSITORY: repository = "" } = environment;
  try {
    return {
      name,
      repository,
      payload: JSON.parse(await readRegularFile(path, payloadLimitBytes)),
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RefusedError(
      `the event ${shown(name)} cannot be read from GITHUB_EVENT_PATH (${why}): repair the runner, or remove what changes this variable`,
      { class: "event", cause },
    );
  }
}

function requireSameRepository(
  event: string,
  repository: string,
  head: NamedRepository | null | undefined,
): void {
  if (head === undefined) refuse("event", `the event ${event} does not name its repository`);
  const name: unknown = head?.full_name;
  if (isSameName(name, repository)) return;
  const told = typeof name === "string" ? name : "a deleted repository";
  refuse("fork", `a pull request of a fork (${event} from ${told})`);
}

/** GitHub takes upper and lower case in these names for the same; other letters than those of ASCII are none of it. */
function isSameName(name: unknown, repository: string): boolean {
  if (typeof name !== "string" || !/^[!-~]+$/.test(name)) return false;
  return name.toLowerCase() === repository.toLowerCase();
}

function refuse(errorClass: "event" | "fork", what: string): never {
  const wrong = errorClass === "fork" ? `the action does not run for ${what}` : what;
  throw new RefusedError(`${wrong}: ${advice}`, { class: errorClass });
}

function shown(name: string): string {
  return name === "" ? "(GITHUB_EVENT_NAME is empty)" : name;
}
