import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sharedRegistry } from "../lab/registry.ts";
import { run } from "../lab/run.ts";
import { ageKey, keeper } from "./support/keeper.ts";
import { settled } from "./support/layouts.ts";
import { type SmallStack, smallStack } from "./support/small-stack.ts";

// Each finding of the doctor on a host that really is so.

const app = `image: IMAGE, init: true, volumes: ["DATA/own:/data"], command: ["sh", "-c", "echo starting; exec sleep infinity"]`;
let stack: SmallStack;
let compose: string;
let original: string;

beforeAll(async () => {
  stack = await smallStack("doctor", { app });
  compose = join(stack.directory, "compose.yaml");
  original = await readFile(compose, "utf8");
  await mkdir(join(stack.data, "own"));
  await writeFile(join(stack.data, "own/a"), "a\n");
  await up(original);
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
});

/** Lets the stack be what a compose file says. */
async function up(text: string): Promise<void> {
  await writeFile(compose, text);
  await stack.compose(["up", "--detach", "--remove-orphans", "--build"]);
  await settled(stack);
}

async function asked(...more: readonly string[]) {
  const { code, result, stderr } = await stack.keeper("doctor", "--allow-shared-paths", ...more);
  const checks: readonly { name: string; status: string; detail: string }[] = result.checks ?? [];
  const warnings: readonly string[] = result.warnings ?? [];
  return {
    ...{ code, stderr, result, warnings },
    of: (name: string) => checks.filter((check) => check.name === name),
    warned: (name: string) => warnings.filter((text) => text.startsWith(`${name}: `)),
  };
}

it("passes a stack that can be pulled, backed up and rolled back, and changes nothing", async () => {
  const before = [
    await stack.states(),
    await readdir(dirname(stack.data)),
    await readdir(stack.data),
  ];
  const none = await asked();
  expect(none.code).toBe(4);
  expect(none.of("newest backup")).toMatchObject([{ status: "fail" }]);
  expect(existsSync(stack.repository)).toBe(false);
  const made = await stack.keeper("backup");
  expect(made.code, made.stderr).toBe(0);
  const all = await asked();
  expect(all.code, all.stderr).toBe(0);
  expect(all.result.result).toBe("clean");
  expect(all.of("images")[0]?.detail).toContain("all can be pulled again");
  expect(all.of("rollback")).toMatchObject([{ status: "pass" }]);
  expect(all.of("access")).toMatchObject([{ status: "pass" }]);
  const names = ["node", "tar", "age", "zstd", "engine", "compose", "engine access", "reflinks"];
  for (const name of names) expect(all.of(name), name).toMatchObject([{ status: "pass" }]);
  expect(all.of("room for a rollback copy")).not.toEqual([]);
  const after = [
    await stack.states(),
    await readdir(dirname(stack.data)),
    await readdir(stack.data),
  ];
  expect(after).toEqual(before);
});

it("names an image that its registry has no longer, and one that was never in one", async () => {
  const built = original.replace(
    "services:\n",
    "services:\n  own: { build: { context: ., dockerfile_inline: 'FROM BASE' }, init: true, command: [sleep, infinity] }\n",
  );
  await up(built.replace("BASE", stack.image(1)));
  const { warned } = await asked();
  expect(warned("images")).toHaveLength(1);
  expect(warned("images")[0]).toContain("of own is built here");
  // What the upgrade itself says.
  const refused = await stack.keeper("upgrade-test", "--dry-run");
  expect(refused.result.reason.class).toBe("built-here");
  expect(warned("rollback").join()).toContain(refused.result.reason.message);
  await up(original);
  const registry = await sharedRegistry();
  const name = stack.image(1).slice(`${registry.host}/`.length);
  await registry.remove(name);
  try {
    expect((await asked()).warned("images")).toEqual([
      expect.stringContaining(`${stack.image(1)} of app is no longer in its registry`),
    ]);
  } finally {
    await run(["docker", "push", "--quiet", stack.image(1)]);
  }
});

it("says why a stack cannot be rolled back, in the words in which the upgrade refuses", async () => {
  const variants = {
    "no-log": original.replace("init: true", "init: true, logging: { driver: none }"),
    hooks: original.replace("init: true", "init: true, post_start: [{ command: ['true'] }]"),
  };
  for (const [kind, text] of Object.entries(variants)) {
    await up(text);
    const refused = await stack.keeper("upgrade-test", "--dry-run");
    expect(refused.result.reason, refused.stderr).toMatchObject({ class: kind });
    const { warned } = await asked();
    expect(warned("rollback"), kind).toEqual([
      expect.stringContaining(refused.result.reason.message),
    ]);
  }
  await up(original);
  await writeFile(compose, original.replace("init: true", "init: false"));
  const drifted = await asked();
  expect(drifted.warned("rollback").join()).toContain("the files differ from what runs");
  await writeFile(compose, original);
});

it("warns of what is in memory, of what is left, and of recipients whose key nobody showed", async () => {
  const memory = join("/dev/shm", stack.projectName);
  const flags = ["--project-directory", stack.directory, "--repository", memory];
  const volatile = await keeper(["doctor", ...flags]);
  expect(volatile.code).toBe(4);
  expect(volatile.result.reason.message).toContain(`${memory} is on tmpfs, in memory`);
  expect(existsSync(memory)).toBe(false);
  const left = join(stack.data, ".sophon-keeper-rollback-old-20260101T000000Z-0a0b-0");
  await mkdir(left);
  const [mine, other] = [await ageKey(stack, "mine"), await ageKey(stack, "other")];
  const recipients = ["--recipients", `${mine.recipient},${other.recipient}`];
  const some = await asked(...recipients, "--identity", mine.identity);
  await rm(left, { recursive: true });
  expect(some.warned("leftovers")).toEqual([expect.stringContaining(left)]);
  expect(some.warned("recipients")).toEqual([
    expect.stringMatching(new RegExp(`^recipients: 1 of 2 .*${other.recipient.slice(0, 12)}`)),
  ]);
  const both = await asked(...recipients, "--identity", `${mine.identity},${other.identity}`);
  expect(both.of("recipients")).toMatchObject([{ status: "pass" }]);
});

it("looks at the host even where there is no stack", async () => {
  const { code, result } = await keeper(["doctor", "--project-name", "sk-nowhere"]);
  expect(code).toBe(2);
  const names = result.checks.map(({ name }: { name: string }) => name);
  expect(names).toEqual(expect.arrayContaining(["engine", "compose", "engine access", "tar"]));
});
