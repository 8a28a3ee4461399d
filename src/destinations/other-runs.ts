import { z } from "zod";
import { describeError } from "../core/errors.ts";
import type { OtherRuns, RunArtifact } from "./artifact.ts";

/** How to reach the API of GitHub for one repository. */
interface ApiAccess {
  /** Such as `https://api.github.com`. */
  readonly apiUrl: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly token: string;
}

const pageSize = 100;
/** A repository with more artifacts than this is not searched to its end. */
const mostPages = 20;
const answerMs = 30_000;

/** What a person with write access, or the clock, starts on a branch. A pull request is none of them, nor what follows one. */
const trustedEvents: readonly string[] = [
  "schedule",
  "workflow_dispatch",
  "push",
  "repository_dispatch",
];

const repositoryShape = z.object({ id: z.number(), default_branch: z.string() });
const runShape = z.object({
  event: z.string(),
  head_branch: z.string().nullable(),
  repository: z.object({ id: z.number() }),
  /** Null if the fork is gone. */
  head_repository: z.object({ id: z.number() }).nullable(),
});
const pageShape = z.object({
  artifacts: z.array(
    z.object({
      id: z.number(),
      name: z.string(),
      size_in_bytes: z.number(),
      expired: z.boolean(),
      digest: z.string().nullish(),
      workflow_run: z.object({ id: z.number() }).nullish(),
    }),
  ),
});

/** Other runs of a repository, as the API of GitHub tells them. The token needs `actions: read`. */
export function githubRuns(access: ApiAccess): OtherRuns {
  const repository = `/repos/${access.repository}`;
  let asked: Promise<z.infer<typeof repositoryShape>> | undefined;
  return {
    async *artifacts(run, name): AsyncIterable<RunArtifact> {
      const of = run === undefined ? "" : `/runs/${run}`;
      const filter = name === undefined ? "" : `&name=${encodeURIComponent(name)}`;
      for (let page = 1; page <= mostPages; page += 1) {
        const path = `${repository}/actions${of}/artifacts?per_page=${pageSize}&page=${page}${filter}`;
        const { artifacts } = pageShape.parse(await get(access, path));
        // The API lists the newest first, but does not promise it.
        for (const one of artifacts.toSorted((a, b) => b.id - a.id)) {
          const runId = one.workflow_run?.id ?? run;
          if (one.expired || runId === undefined) continue;
          const { id, name: named, size_in_bytes: size, digest } = one;
          yield { id, name: named, size, runId, digest: digest ?? undefined };
        }
        if (artifacts.length < pageSize) return;
      }
    },
    async distrusted(run) {
      asked ??= get(access, repository).then((answer) => repositoryShape.parse(answer));
      const { id, default_branch: branch } = await asked;
      const found = runShape.parse(await get(access, `${repository}/actions/runs/${run}`));
      if (found.repository.id !== id || found.head_repository?.id !== id) {
        return `run ${run} is of another repository`;
      }
      if (found.head_branch !== branch) {
        return `run ${run} is of the branch ${found.head_branch}, not of ${branch}`;
      }
      return trustedEvents.includes(found.event)
        ? undefined
        : `run ${run} was started by ${found.event}`;
    },
  };
}

async function get({ apiUrl, token }: ApiAccess, path: string): Promise<unknown> {
  const what = `GET ${path.split("?")[0]}`;
  let answer: Response;
  try {
    answer = await fetch(`${apiUrl}${path}`, {
      headers: {
        accept: "application/vnd.github+json",
        authorization: `Bearer ${token}`,
        "user-agent": "sophon-keeper",
        "x-github-api-version": "2022-11-28",
      },
      redirect: "error",
      signal: AbortSignal.timeout(answerMs),
    });
  } catch (cause) {
    throw new Error(`${what}: no answer: ${describeError(cause)}`, { cause });
  }
  if (answer.ok) return await answer.json();
  const { message = "" } = (await answer.json().catch(() => ({}))) as { message?: string };
  throw new Error(`${what}: ${answer.status} ${message}`.trim());
}
