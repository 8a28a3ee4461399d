import { execFileSync } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { id, type Place } from "./place.ts";
import type { Kind, Row } from "./row.ts";

// Events that start a step of a workflow: what people without write access can cause, and what cannot be read.

const from = (full_name: unknown) => ({ pull_request: { head: { repo: { full_name } } } });
const comment = (author_association: unknown, issue: unknown = { pull_request: {} }) => ({
  issue,
  comment: { author_association },
});
const run = (head_repository: unknown) => ({ workflow_run: { head_repository } });

/** No mode runs for any of these. */
const refused: readonly (readonly [event: string, payload: unknown])[] = [
  ["pull_request", from("eve/stack")],
  ["pull_request_target", from("eve/stack")],
  ["pull_request_target", { pull_request: { head: { repo: null } } }],
  ["pull_request", from("")],
  ["pull_request", from(null)],
  ["pull_request", from(["ada/stack"])],
  ["pull_request", from({ toString: "ada/stack" })],
  ["pull_request", from("ada/stack ")],
  ["pull_request", from("ada/stack\u0000")],
  ["pull_request", from("ada/stac\u212a")],
  ["pull_request", { pull_request: { head: {} } }],
  ["pull_request", { pull_request: {} }],
  ["pull_request", JSON.parse(`{"__proto__": ${JSON.stringify(from("ada/stack"))}}`)],
  ["workflow_run", run({ full_name: "eve/stack" })],
  ["workflow_run", run(null)],
  ["workflow_run", {}],
  ["issue_comment", comment("NONE")],
  ["issue_comment", comment("CONTRIBUTOR")],
  ["issue_comment", comment("FIRST_TIME_CONTRIBUTOR")],
  ["issue_comment", comment("MANNEQUIN")],
  ["issue_comment", comment("owner")],
  ["issue_comment", comment(null)],
  ["issue_comment", comment(["OWNER"])],
  ["issue_comment", comment("OWNER", {})],
  ["issue_comment", comment("OWNER", null)],
  ["issue_comment", {}],
  // Nobody answers whether the pull request is of a fork.
  ["issue_comment", comment("MEMBER")],
  ["issues", {}],
  ["watch", {}],
  ["fork", {}],
  ["star", {}],
  ["discussion", {}],
  ["discussion_comment", comment("OWNER")],
  ["pull_request_review", from("ada/stack")],
  ["pull_request_review_comment", from("ada/stack")],
  ["page_build", {}],
  ["status", {}],
  ["check_run", {}],
  ["", {}],
  ["Push", {}],
  ["push ", {}],
  ["push\npush", {}],
  ["constructor", {}],
  ["\u001b[31m::add-mask::x", {}],
  ["push", null],
  ["push", []],
  ["push", "push"],
  ["push", 1],
  ["push", true],
];

/** Files in the place of the event's. */
const files: Readonly<Record<string, (path: string) => unknown>> = {
  "is missing": () => undefined,
  "is empty": (path) => writeFile(path, ""),
  "is cut off": (path) => writeFile(path, '{"pull_request": '),
  "is nested without end": (path) => writeFile(path, "[".repeat(200_000)),
  "has 3 GB": (path) => execFileSync("truncate", ["--size=3G", path], { timeout: 10_000 }),
  "is a pipe": (path) => execFileSync("mkfifo", [path], { timeout: 10_000 }),
  "is a directory": (path) => mkdir(path),
  "is a link to itself": (path) => symlink(path, path),
  "has no end": (path) => symlink("/dev/zero", path),
};

const modes = ["list", "verify", "backup", "recover", "restore", "prune", "upload", "upgrade-test"];

function step(place: Place, mode: string, event: string): Record<string, string> {
  return {
    ...{ INPUT_MODE: mode, INPUT_REPOSITORY: place.repository, INPUT_BACKUP: id },
    ...{ GITHUB_EVENT_NAME: event, GITHUB_EVENT_PATH: place.at("tmp/event.json") },
  };
}

const refusedRows = refused.map(([event, payload], index): Row => {
  const mode = modes[index % modes.length] ?? "";
  return {
    name: `${mode} for ${JSON.stringify(event)} ${JSON.stringify(payload)}`.slice(0, 120),
    expected: { code: 2, class: ["event", "fork"] },
    async make(place) {
      await writeFile(place.at("tmp/event.json"), JSON.stringify(payload));
      return { isStep: true, args: [], env: step(place, mode, event) };
    },
  };
});

const fileRows = Object.entries(files).map(([what, make], index): Row => {
  const mode = modes[index % modes.length] ?? "";
  return {
    name: `${mode}, and the file of the event ${what}`,
    expected: { code: 2, class: "event" },
    async make(place) {
      await make(place.at("tmp/event.json"));
      return { isStep: true, args: [], env: step(place, mode, "push") };
    },
  };
});

/** What people with write access cause is obeyed: else nothing of the above would show anything. */
const obeyed = [
  ["push", {}],
  ["schedule", {}],
  ["pull_request", from("ADA/stack")],
].map(
  ([event, payload]): Row => ({
    name: `list for ${String(event)} is obeyed`,
    expected: { code: 0, result: "listed" },
    async make(place) {
      await writeFile(place.at("tmp/event.json"), JSON.stringify(payload));
      const { INPUT_BACKUP: _, ...env } = step(place, "list", String(event));
      return { isStep: true, args: [], env };
    },
  }),
);

export const hostileEvents: Kind = {
  name: "events of a workflow",
  rows: [...refusedRows, ...fileRows, ...obeyed],
};
