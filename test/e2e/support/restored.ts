import { join } from "node:path";
import { expect } from "vitest";
import { diff } from "../../lab/compare.ts";
import type { LabStack } from "../../lab/lab-stack.ts";
import { prober } from "../../lab/prober.ts";
import { run } from "../../lab/run.ts";
import type { Snapshot } from "../../lab/snapshot.ts";
import { type AgeKey, ageKey, keeper, type startKeeper } from "./keeper.ts";

/** A socket is in no backup; the password of the server's own role is hashed anew, with another salt. */
export const unequal = [/agent\.sock: lost/, /postgres: role sophon: .*SCRAM-SHA-256/];
/** What the lab's writers keep for themselves. */
export const ofWriters = [
  /LabWrites/,
  /lab[-.:]write/,
  /^files: skills\/lab/,
  // They made their files in them.
  /^files: (skills|logs): mtime [^,]*$/,
];

/** A stack and its encrypted backups. */
export interface BackedUpStack {
  readonly stack: LabStack;
  readonly repository: string;
  readonly key: AgeKey;
  /** Runs a command on the stack, with the identity where it takes one. */
  run(command: string, ...more: readonly string[]): ReturnType<typeof keeper>;
  /** The arguments of such a run. */
  arguments(command: string, ...more: readonly string[]): string[];
}

const withIdentity = ["verify", "restore"];

/** Where a test keeps the backups of a lab stack, and how it runs the program on it. */
export async function backedUp(stack: LabStack): Promise<BackedUpStack> {
  const repository = join(stack.scratch, "repository");
  const key = await ageKey(stack);
  const argumentsOf = (command: string, ...more: readonly string[]) => [
    ...[command, "--project-directory", stack.directory, "--repository", repository],
    ...(command === "backup" ? ["--recipients", key.recipient] : []),
    ...(withIdentity.includes(command) ? ["--identity", key.identity] : []),
    ...more,
  ];
  return {
    ...{ stack, repository, key },
    arguments: argumentsOf,
    run: (command, ...more) => keeper(argumentsOf(command, ...more)),
  };
}

/** Runs a command that must end as told, and gives its result. */
export async function succeed(
  { run }: BackedUpStack,
  wanted: string,
  command: string,
  ...more: readonly string[]
): Promise<Awaited<ReturnType<typeof startKeeper>["ended"]>["result"]> {
  const { result, stderr } = await run(command, ...more);
  expect(result?.result, `${stderr}\n${JSON.stringify(result?.reason)}`).toBe(wanted);
  return result;
}

/** What of copies of this stack is left in the engine. */
export async function scratchOf({ projectName }: LabStack): Promise<string> {
  const label = `label=sophon-keeper.project=${projectName}`;
  const kind = "label=sophon-keeper.kind=scratch";
  const lists = [
    ["ps", "--all"],
    ["volume", "ls"],
    ["network", "ls"],
  ].map((list) => run(["docker", ...list, "--quiet", "--filter", label, "--filter", kind]));
  return (await Promise.all(lists)).join("").trim();
}

/** Proves a backup by a test restore, during which the stack serves, and which leaves nothing. @returns its seconds. */
export async function prove(on: BackedUpStack, ...more: readonly string[]): Promise<number> {
  await using probing = prober(`${on.stack.gatewayUrl}/api/health`, 100, 10_000);
  const verified = await succeed(on, "verified", "verify", "--level", "restore", ...more);
  const seen = await probing.stop();
  const checks = verified.checks as { readonly name: string; readonly status: string }[];
  expect(checks.filter(({ status }) => status !== "pass")).toEqual([]);
  const names = checks.map(({ name }) => name);
  expect(names).toContain("schema head once booted");
  expect(names).toContain("recovery time");
  expect(verified.level).toBe("restore");
  expect(seen.failures).toEqual([]);
  expect(await scratchOf(on.stack)).toBe("");
  return Math.round(verified.seconds);
}

/** What differs between the content before and the one that was restored, and is no wonder; the first lines of it. */
export function differences(
  before: Snapshot,
  after: Snapshot,
  ignore: readonly RegExp[] = [],
): string[] {
  return diff(before, after, { ignore: [...unequal, ...ignore] }).slice(0, 40);
}

/** Waits until the whole stack is as it should be; starts nothing anew. */
export async function ready(stack: LabStack): Promise<void> {
  await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "240", "--no-recreate"]);
}

/** That a plain `up` finds nothing to do, and that a reboot would bring everything back. */
export async function expectItsOwn(stack: LabStack): Promise<void> {
  const ids = await containerIds(stack);
  await stack.compose(["up", "--detach"]);
  expect(await containerIds(stack)).toEqual(ids);
  const format = ["--format", "{{.HostConfig.RestartPolicy.Name}}"];
  const policies = await run(["docker", "inspect", ...format, ...ids]);
  expect(new Set(policies.trim().split("\n"))).toEqual(new Set(["unless-stopped"]));
}

async function containerIds(stack: LabStack): Promise<string[]> {
  const ids = await stack.compose(["ps", "--all", "--quiet", "--no-trunc"]);
  return ids.trim().split("\n").sort();
}
