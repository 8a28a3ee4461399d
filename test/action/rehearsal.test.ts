// @module-tag exhaustive

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type AgeKey, ageKey } from "../e2e/support/keeper.ts";
import { expectAsBefore, look, repository, startKeeper } from "../e2e/upgrade-lab.ts";
import { ensureAct } from "../lab/act.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { events, GithubServer } from "../unit/rehearse/github-server.ts";
import { ActRunner, type WorkflowRun } from "./act.ts";

// The workflows of a pull request, as they are in examples/, on this host as its self-hosted runner, with a server that
// takes comments only as GitHub's own description of them allows.

const examples = join(import.meta.dirname, "..", "..", "examples");
const token = "token-of-the-job";
const ours = { full_name: "o/r" };
let stack: LabStack;
let act: ActRunner;
let key: AgeKey;
let server: GithubServer;
let url: string;

beforeAll(async () => {
  await ensureAct();
  [stack, act] = await Promise.all([
    createStack({ tier: "personal", name: "pulls" }),
    ActRunner.start(),
  ]);
  key = await ageKey(stack);
  const place = ["--project-directory", stack.directory, "--repository", repository(stack)];
  const backup = await startKeeper(["backup", ...place, "--recipients", key.recipient]).done;
  if (backup.code !== 0) throw new Error(backup.stderr);
});
afterAll(async () => {
  await act?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  server = new GithubServer();
  url = await server.start();
  return async () => {
    await server[Symbol.asyncDispose]();
    expect(server.violations).toEqual([]);
  };
});

/** GitHub's own payload of an event, of pull request 7 of this repository. */
function payloadOf(event: keyof typeof events) {
  // biome-ignore lint/suspicious/noExplicitAny: a payload of any event
  const given = structuredClone(events[event]) as any;
  const repo = { ...given.repository, ...ours, private: true };
  const { pull_request: pull, workflow_run: run, issue, comment } = given;
  return {
    ...{ ...given, repository: repo },
    ...(pull && { pull_request: { ...pull, number: 7, head: { ...pull.head, repo } } }),
    ...(run && {
      workflow_run: {
        ...{ ...run, head_repository: repo },
        pull_requests: [{ ...run.pull_requests[0], number: 7 }],
      },
    }),
    ...(issue && { issue: { ...issue, number: 7, pull_request: {} } }),
    ...(comment && { comment: { ...comment, author_association: "MEMBER" } }),
  };
}

/** Runs an example on a pull request that changes the tag in `.env`. Only the path of the backups is another. */
async function push(
  example: string,
  event: keyof typeof events,
  reference: string,
  more: Readonly<Record<string, string>> = {},
): Promise<WorkflowRun> {
  const read = (name: string) => readFile(join(stack.directory, name), "utf8");
  const [compose, env] = await Promise.all([read("docker-compose.yml"), read(".env")]);
  const identity = /AGE-SECRET-KEY-1\w+/.exec(await readFile(key.identity, "utf8"))?.[0] ?? "";
  return await act.run(await readFile(join(examples, example), "utf8"), {
    ...{ event, payload: payloadOf(event) },
    files: {
      "docker-compose.yml": compose,
      ".env": env.replace(/^SOPHON_IMAGE=.*$/m, `SOPHON_IMAGE=${reference}`),
    },
    environment: {
      ...{ GITHUB_API_URL: url, GITHUB_GRAPHQL_URL: `${url}/graphql` },
      ...{ GITHUB_REPOSITORY: "o/r", SHA_REF: "a".repeat(40) },
    },
    secrets: { SOPHON_VERIFY_IDENTITY: identity, GITHUB_TOKEN: token },
    replace: { "/var/lib/sophon-keeper/sophon": repository(stack), ...more },
  });
}

/** The same example for another event, as somebody would change it. */
function on(event: string): Record<string, string> {
  return {
    "on:\n  pull_request:\n    paths:\n      - docker-compose.yml\n      - .env": `on: ${event}`,
    "if: github.event.pull_request.head.repo.full_name == github.repository": "if: true",
    "mode: upgrade-test": "mode: upgrade-test\n          reuse-rehearsal: 1d",
  };
}

function own() {
  return server.comments.filter(({ login }) => login === "github-actions[bot]");
}

it("comments once on a pull request, whatever starts it, and never in a merge queue", async () => {
  const before = await look(stack);
  const reference = await stack.publish(goodVersions["1.2.0-words"]);
  for (let at = 0; at < 45; at += 1) server.add("somebody", "hello");

  const first = await push("pull-request.yml", "pull_request", reference);
  expect(first.code, first.log).toBe(0);
  expect(first.steps[0]?.outputs.result).toBe("passed");
  expect(own()).toHaveLength(1);
  expect(own()[0]?.body).toContain("packets out of the clone: 0");
  const [made] = own();
  // Whoever knows the marker may forge it.
  const forged = server.add("mallory", `${made?.body.split("\n")[0]}\nforged`);

  const again = await push("pull-request.yml", "pull_request", reference);
  expect(again.code, again.log).toBe(0);
  expect(again.log).toContain("earlier rehearsal");
  const queued = await push("merge-queue.yml", "merge_group", reference);
  expect(queued.code, queued.log).toBe(0);
  const { requests } = server;
  const asked = requests.length;
  for (const event of ["workflow_run", "issue_comment"] as const) {
    const run = await push("pull-request.yml", event, reference, on(event));
    expect(run.code, run.log).toBe(0);
    expect(run.steps[0]?.outputs.result).toBe("passed");
  }
  const changes = requests.filter((one) => one.startsWith("patch "));
  expect(changes).toHaveLength(3);
  expect(requests.length).toBeGreaterThan(asked);
  expect(own()).toEqual([made]);
  expect(forged.body).toContain("forged");

  server.tokens.set(token, { login: "github-actions[bot]", issues: "read" });
  const mayNot = await push("pull-request.yml", "pull_request", reference);
  expect(mayNot.code, mayNot.log).toBe(0);
  expect(mayNot.log).toContain("403 Resource not accessible by integration");
  url = "http://127.0.0.1:1";
  const down = await push("pull-request.yml", "pull_request", reference);
  expect(down.code, down.log).toBe(0);
  expect(down.log).toContain("no comment on pull request 7");
  await expectAsBefore(stack, before, "rehearsed by workflows");
});

it("calls the reusable workflow for each host of a matrix, and each has a comment of its own", async () => {
  const before = await look(stack);
  // One machine is both hosts, one after the other.
  const inTurn = { "fail-fast: false": "fail-fast: false\n      max-parallel: 1" };
  const reference = await stack.publish(goodVersions["1.2.0"]);
  const run = await push("fleet.yml", "pull_request", reference, inTurn);
  expect(run.code, run.log).toBe(0);
  const mains = run.steps.filter(({ entry }) => entry === "main");
  expect(mains.map(({ outputs }) => outputs.result)).toEqual(["passed", "passed"]);
  const projects = own().map(({ body }) => /project `([^`]+)`/.exec(body)?.[1]);
  expect(projects).toHaveLength(2);
  expect(new Set(projects)).toEqual(new Set(["sophon-berlin", "sophon-tokyo"]));
  await expectAsBefore(stack, before, "rehearsed by a fleet");
});

it("is red on a version that fails, in the pull request and in its queue", async () => {
  const before = await look(stack);
  const reference = await stack.publish(wrecking(badVersions["migration-failed"]));
  const run = await push("pull-request.yml", "pull_request", reference);
  expect(run.code).not.toBe(0);
  expect(run.steps[0]?.outputs.result).toBe("failed");
  expect(own()[0]?.body).toContain("does not work on a copy of your data");
  const queued = await push("merge-queue.yml", "merge_group", reference);
  expect(queued.code).not.toBe(0);
  expect(queued.steps[0]?.outputs.result).toBe("failed");
  await expectAsBefore(stack, before, "failed in workflows");
});
