import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { requireTrustedEvent } from "../../../src/action/github-event.ts";
import { Job } from "./step.ts";

let job: Job;
beforeEach(async () => {
  job = await Job.start();
});
afterEach(() => job[Symbol.asyncDispose]());

const fork = { pull_request: { head: { repo: { full_name: "eve/stack" } } } };
const recipients = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
const secretText = "Authorization: Bearer of-the-gateway";
const own = { pull_request: { head: { repo: { full_name: "ada/stack" } } } };

it("tells outputs, summary and a log with a group a phase", async () => {
  const step = await job.run({ mode: "backup", unencrypted: "true", "project-name": "demo" });
  expect(step.code).toBe(0);
  expect(step.outputs).toMatchObject({
    result: "backed-up",
    "exit-code": "0",
    "backup-id": "demo-1",
    bytes: "100",
    "reason-class": "",
  });
  expect(JSON.parse(String(step.outputs.json))).toMatchObject({ backupId: "demo-1" });
  expect(step.log).toMatch(/::group::Copying\nof demo\ndone in [\d.]+ s\n::endgroup::/);
  expect(step.log).not.toMatch(/::(error|warning)/);
  expect(step.summary).toMatch(/^## ✅ Sophon Keeper: Backup made/);
  expect(step.summary.replaceAll("\u00a0", " ")).toContain(
    "| data | data |  | 300 B | 100 B | 2.0 s | 150 B/s |",
  );
});

it("fails with one annotation that says what to do, and tells all outputs", async () => {
  const step = await job.run({ mode: "backup", recipients, "database-name": "failing" });
  expect(step.code).toBe(3);
  expect(step.outputs).toMatchObject({ result: "backup-failed", reason: "disk full" });
  expect(step.log.match(/::error/g)).toHaveLength(1);
  expect(step.log).toContain("disk full%0A  ENOSPC%0Amake room");
  expect(step.summary).toContain("**disk full**");
});

it.each([
  [{ mode: "bakcup" }, 'mode is "bakcup": did you mean backup?'],
  [{}, 'mode is "": write one of backup, restore, recover, list'],
  [{ mode: "backup", recipient: "x" }, "unknown input recipient: did you mean recipients?"],
  [{ mode: "backup", project: "x" }, "unknown input project: it is called project-name"],
  [{ mode: "backup", upload: "artifact" }, "nothing encrypts the backup"],
  [{ mode: "backup" }, "nothing encrypts the backup"],
  [{ mode: "backup", recipients: "" }, "nothing encrypts the backup"],
  [{ mode: "backup", recipients: " \n," }, "recipients given but empty"],
  [{ mode: "backup", recipients: "# the key of Ada" }, "recipients given but empty"],
  [{ mode: "backup", recipients: "@empty" }, "recipients given but empty"],
  [{ mode: "backup", passphrase: "@empty" }, "passphrase given but empty"],
  [{ mode: "backup", passphrase: " " }, "nothing encrypts the backup"],
  [{ mode: "backup", unencrypted: "false" }, "nothing encrypts the backup"],
  [{ mode: "backup", unencrypted: "yes" }, 'unencrypted is "yes": write true or false'],
  [{ mode: "backup", unencrypted: "true", passphrase: "p" }, "exclude each other"],
  [{ mode: "backup", unencrypted: "true", upload: "artifact" }, "nothing encrypts the backup"],
  [{ mode: "restore", target: "" }, "target is given but empty"],
  [{ mode: "restore", target: " " }, "target is given but empty"],
  [{ mode: "restore", backup: "" }, "backup is given but empty"],
])("refuses %o before anything is done", async (inputs, message) => {
  await writeFile(join(job.directory, "empty"), "\n");
  const step = await job.run(inputs as Record<string, string>);
  expect(step.code).toBe(2);
  expect(step.outputs.result).toBe("refused");
  expect(step.log).toContain(message);
  expect(step.notes).toEqual([]);
});

it("takes from a configuration file what the step leaves to its default, and only from one that is given", async () => {
  const config = join(job.directory, "sophon-keeper.yaml");
  const text = `stacks: { one: { recipients: ${recipients}, project-name: filed, consistency: stopped } }`;
  await writeFile(config, text, { mode: 0o600 });
  const given = { mode: "backup", consistency: "live" };
  const step = await job.run({ ...given, config: "sophon-keeper.yaml", stack: "one" });
  expect(step.log).toContain("of filed");
  expect(step.code).toBe(0);
  const without = await job.run(given);
  expect([without.code, without.notes]).toEqual([2, []]);
  await writeFile(config, `${text}\nkeep-dayly: 1`);
  const wrong = await job.run({ ...given, config: "sophon-keeper.yaml" });
  expect([wrong.code, wrong.notes]).toEqual([2, []]);
  expect(wrong.log).toContain("did you mean keep-daily?");
});

it("ignores a variable that only looks like an input", async () => {
  const step = await job.run({ mode: "backup", recipients, something_else_entirely: "x" });
  expect(step.code).toBe(0);
  expect(step.log).toContain("ignored: something_else_entirely is not an input");
});

const members = (author_association?: string) => ({
  issue: { pull_request: { url: "https://api.github.com/repos/ada/stack/pulls/1" } },
  comment: { author_association },
});

it.each<readonly [string, unknown, string]>([
  ...["push", "schedule", "workflow_dispatch", "repository_dispatch", "release", "merge_group"].map(
    (name) => [name, {}, ""] as const,
  ),
  ["pull_request", own, ""],
  ["pull_request_target", own, ""],
  ["pull_request", { pull_request: { head: { repo: { full_name: "Ada/Stack" } } } }, ""],
  ["workflow_run", { workflow_run: { head_repository: { full_name: "ada/stack" } } }, ""],
  ["issue_comment", members("OWNER"), ""],
  ["issue_comment", members("MEMBER"), ""],
  ["issue_comment", members("COLLABORATOR"), ""],
  ["pull_request", fork, "fork"],
  ["pull_request_target", fork, "fork"],
  ["pull_request_target", { pull_request: { head: { repo: null } } }, "fork"],
  ["pull_request", { pull_request: { head: { repo: {} } } }, "fork"],
  ["workflow_run", { workflow_run: { head_repository: { full_name: "eve/stack" } } }, "fork"],
  ["workflow_run", { workflow_run: { head_repository: null } }, "fork"],
  ["pull_request", { pull_request: { head: { repo: { full_name: ["ada/stack"] } } } }, "fork"],
  ["pull_request", { pull_request: { head: { repo: { full_name: { toString: 1 } } } } }, "fork"],
  ["pull_request", { pull_request: { head: { repo: { full_name: "ada/stac\u212a" } } } }, "fork"],
  ["pull_request", { pull_request: {} }, "event"],
  ["pull_request", {}, "event"],
  ["pull_request_target", {}, "event"],
  ["workflow_run", {}, "event"],
  ["issue_comment", members("CONTRIBUTOR"), "event"],
  ["issue_comment", members("NONE"), "event"],
  ["issue_comment", members(), "event"],
  ["issue_comment", { ...members(), comment: { author_association: ["OWNER"] } }, "event"],
  ["issue_comment", { issue: {}, comment: { author_association: "OWNER" } }, "event"],
  ["issue_comment", {}, "event"],
  ...["issues", "watch", "fork", "pull_request_review", "discussion_comment", "deployment"].map(
    (name) => [name, own, "event"] as const,
  ),
  ["", {}, "event"],
  ["Push", {}, "event"],
  ["push", null, "event"],
  ["push", [], "event"],
  ["push", "text", "event"],
])("for %s %j the guard says %j", (name, payload, refusal) => {
  const event = { name, payload, repository: "ada/stack" };
  if (refusal === "") expect(() => requireTrustedEvent(event)).not.toThrow();
  else
    expect(() => requireTrustedEvent(event)).toThrow(expect.objectContaining({ class: refusal }));
});

it("does not know a repository without a name as the same", () => {
  const payload = { pull_request: { head: { repo: { full_name: "" } } } };
  const event = { name: "pull_request", payload, repository: "" };
  expect(() => requireTrustedEvent(event)).toThrow(expect.objectContaining({ class: "fork" }));
});

it.each([
  ["backup", { name: "pull_request", payload: fork }, "fork"],
  ["list", { name: "pull_request", payload: fork }, "fork"],
  ["list", { name: "issues", payload: {} }, "event"],
  ["recover", { name: "push", payload: null }, "event"],
])("%s is refused for %j before anything is done", async (mode, event, refusal) => {
  const step = await job.run({ mode }, { event });
  expect(step.code).toBe(2);
  expect(step.outputs).toMatchObject({ result: "refused", "reason-class": refusal });
  expect(step.notes).toEqual([]);
});

it.each([
  ["is missing", { GITHUB_EVENT_PATH: "/does/not/exist" }],
  ["is not named", { GITHUB_EVENT_PATH: "" }],
  ["is a directory", { GITHUB_EVENT_PATH: "/" }],
  ["is not JSON", { GITHUB_EVENT_PATH: "/etc/hostname" }],
])("an event file that %s is refused", async (_, environment) => {
  Object.assign(job.environment, environment);
  const step = await job.run({ mode: "backup" });
  expect(step.code).toBe(2);
  expect(step.outputs["reason-class"]).toBe("event");
  expect(step.notes).toEqual([]);
});

it("masks a secret in every form, in log, outputs and summary", async () => {
  const passphrase = 'p&ss "w/rd\\ é+$1';
  const step = await job.run({ mode: "backup", "database-name": "leaky", passphrase });
  const told = step.log.replaceAll(/^::add-mask::.*$/gm, "");
  expect(told).toContain("opened with ***");
  const bytes = Buffer.from(passphrase);
  const core = (before: string) => {
    // What base64 makes of the secret alone, wherever it begins in the text that is encoded.
    const text = Buffer.from(`${before}${passphrase}`).toString("base64").replaceAll("=", "");
    return text.slice(Math.ceil((before.length * 8) / 6), -1);
  };
  const forms = [
    ...[passphrase, encodeURIComponent(passphrase), JSON.stringify(passphrase).slice(1, -1)],
    ...[bytes.toString("hex"), core(""), core("u:"), core("user:")],
  ];
  for (const form of forms) {
    for (const text of [told, step.summary, ...Object.values(step.outputs)]) {
      expect(text).not.toContain(form);
    }
  }
  for (const form of [passphrase, encodeURIComponent(passphrase), bytes.toString("hex")]) {
    expect(step.log).toContain(`::add-mask::${form.replaceAll("%", "%25")}`);
  }
});

it.each([
  ["a passphrase in a file", { passphrase: "@secret" }],
  ["a header of the health request", { "health-header": secretText }],
  ["such a header in a file", { "health-header": "@secret" }],
])("masks %s", async (_, input) => {
  await writeFile(join(job.directory, "secret"), `${secretText}\n`);
  const step = await job.run({ mode: "restore", ...input });
  expect(step.code).toBe(0);
  const told = step.log.replaceAll(/^::add-mask::.*$/gm, "");
  expect(told).toContain("asked with ***");
  expect(told).not.toContain("of-the-gateway");
});

it("a cancelled step ends with 130, says so, and leaves the rest to its post step", async () => {
  const step = await job.run(
    { mode: "backup", recipients, "database-name": "waiting" },
    {
      during: async (child, notes) => {
        await expect.poll(notes, { timeout: 40_000 }).toContain("started");
        child.kill("SIGINT");
      },
    },
  );
  expect(step.code).toBe(130);
  expect(step.outputs.result).toBe("cancelled");
  expect(step.state).toEqual({ mode: "backup" });
});

it("a killed step has already said what it was doing", async () => {
  const step = await job.run(
    { mode: "backup", recipients, "database-name": "waiting" },
    {
      during: async (child, notes) => {
        await expect.poll(notes, { timeout: 40_000 }).toContain("started");
        child.kill("SIGKILL");
      },
    },
  );
  expect(step.state).toEqual({ mode: "backup" });
});

it.each([
  ["a good step", "good", ["backup"]],
  ["a step that found the lock taken", "locked", ["backup"]],
])("after %s the post step has nothing to do", async (_, ending, notes) => {
  const inputs = { mode: "backup", recipients, "database-name": ending };
  const step = await job.run(inputs);
  expect(step.notes).toEqual(notes);
  const post = await job.run(inputs, { post: true, state: step.state });
  expect(post.code).toBe(0);
  expect(post.notes).toEqual([]);
  expect(post.log).toContain("nothing to do");
});

it.each(["failing"])("after a %s step the post step recovers", async (ending) => {
  const inputs = { mode: "backup", recipients, "database-name": ending };
  const step = await job.run(inputs);
  const post = await job.run(inputs, { post: true, state: step.state });
  expect(post.notes).toEqual(["recover"]);
  expect(post.code).toBe(0);
});

it("the post step of a step that ended before it had made a repository has nothing to do", async () => {
  const repository = join(job.directory, "never-made");
  const inputs = { mode: "backup", recipients, "database-name": "failing", repository };
  const { state } = await job.run(inputs);
  const post = await job.run(inputs, { post: true, state });
  expect(post.log).toContain("nothing to do: backup ended before it created the repository");
  expect(post.code).toBe(0);
});
