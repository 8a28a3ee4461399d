import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Ajv } from "ajv";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { chooseStacks, configKeys, readConfig } from "../../../src/options/config-file.ts";
import { parseOptions } from "../../../src/options/parse.ts";

const root = join(import.meta.dirname, "../../..");
const path = "/etc/sophon-keeper/sophon-keeper.yaml";
const places = { workingDirectory: "/somewhere", home: "/home/me" };
const read = (text: string) => readConfig(text, path).common;

it.each([
  ["keep-dayly: 7", "unknown key keep-dayly: did you mean keep-daily?"],
  ["project: x", "unknown key project: did you mean project-name?"],
  ["passphrase: secret", "passphrase would hold a secret: write passphrase-file: PATH"],
  ["identity: AGE-SECRET-KEY-1X", "identity would hold a secret: write identity-file: PATH"],
  ["notify: https://x", "notify would hold a secret: write notify-file: PATH"],
  ["health-header: 'A: b'", "health-header would hold a secret"],
  ["target: live", "target is about one run: give it as a flag: --target"],
  ["allow-unsigned: true", "allow-unsigned is about one run"],
  ["github-token: x", "github-token is an input of the action: remove the line"],
  ["keep-last: 1\nkeep-last: 2", "Map keys must be unique"],
  ["keep-last:", "keep-last has no value"],
  ["keep-last: [1, 2]", "keep-last is a list: write one value"],
  ["soak: { a: b }", "soak is a mapping"],
  ["exclude: [[a]]", "exclude has an empty or nested value"],
  ["[a]", "is no mapping"],
  ["a: [", "Flow sequence in block collection"],
  ["exclude: *nothing", "cannot be read"],
  [`a: &a [x]\n${bomb()}`, "cannot be read"],
  ["--- {}\n--- {}", "multiple documents"],
  ["1: 2", "unknown key 1"],
  ["<<: { keep-last: 1 }", "unknown key <<"],
  ["__proto__: { keep-last: 1 }", "unknown key __proto__"],
  ["stacks: { a: {}, a: {} }", "Map keys must be unique"],
  ["stacks: { a: 7 }", "stacks.a is no mapping"],
  ["stacks: { '../x': {} }", 'stacks has the name "../x"'],
  ["stacks: [a]", "stacks is no mapping"],
  ["stacks: { all: {} }", 'stacks has the name "all"'],
  ["stacks: { a: { keep-lst: 1 } }", "unknown key stacks.a.keep-lst: did you mean keep-last?"],
  ["stacks: { a: { stacks: {} } }", "unknown key stacks.a.stacks"],
])("refuses %j in one line that names the file", (text, message) => {
  let told = "";
  try {
    readConfig(text, path);
  } catch (error) {
    told = String((error as Error).message);
  }
  expect(told.startsWith(`${path}: `)).toBe(true);
  expect(told).toContain(message);
  expect(told).not.toContain("\n");
});

it("refuses nesting without an end in one line", () => {
  const message = /^\/etc\/sophon-keeper\/sophon-keeper\.yaml: .{1,200}$/;
  expect(() => readConfig(`exclude: ${"[".repeat(50_000)}`, path)).toThrow(message);
});

/** A few lines that would be more than a billion values. */
function bomb(): string {
  const names = "abcdefghij".split("");
  return names
    .slice(1)
    .map((name, at) => `${name}: &${name} [${Array(10).fill(`*${names[at]}`).join(", ")}]`)
    .join("\n");
}

it("takes each value as it is written: a name of digits stays that name", () => {
  const raw = read("project-name: 0123\ndatabase-name: 1.0\nkeep-last: '7'\nunencrypted: true\n");
  expect(raw).toEqual({
    ...{ "project-name": "0123", "database-name": "1.0" },
    ...{ "keep-last": "7", unencrypted: "true" },
  });
});

it("gives every kind of value as the same option that a flag gives", () => {
  const raw = read(
    [
      'recipients: ["@mine.txt", /abs/theirs.txt]',
      "keep-daily: 7",
      "unencrypted: false",
      "exclude: ['a, b', c]",
      "volume-consistency: { uploads: live, '*': stop }",
      "lock-timeout: 5m",
      "repository: backups",
      "compose-files: [docker-compose.yml]",
      "log-allow: ['a,b', c]",
      "passphrase-file: pass",
      "identity-file: [one.key, /two.key]",
    ].join("\n"),
  );
  expect(raw.recipients).toBe('["@/etc/sophon-keeper/mine.txt","/abs/theirs.txt"]');
  expect(raw.passphrase).toBe("@/etc/sophon-keeper/pass");
  expect(raw.identity).toBe('["/etc/sophon-keeper/one.key","/two.key"]');
  const { recipients: _keys, passphrase: _secret, identity: _identity, ...plain } = raw;
  const options = parseOptions("upgrade-test", { ...plain, unencrypted: "true" }, places);
  expect(options).toMatchObject({
    ...{ keepDaily: 7, lockTimeoutMs: 300_000, repository: "/etc/sophon-keeper/backups" },
    ...{ exclude: ["a, b", "c"], logAllow: ["a,b", "c"] },
    volumeConsistency: { uploads: "live", "*": "stop" },
    // As in a Compose file: beside the project, not beside this file.
    composeFiles: ["/somewhere/docker-compose.yml"],
  });
});

it("chooses stacks, and says which there are", () => {
  const file = readConfig("keep-last: 1\nstacks: { a: , b: { keep-last: 2 } }", path);
  const of = (wanted?: string) =>
    chooseStacks(file, wanted).map(({ stack, raw }) => [stack, raw["keep-last"]]);
  expect(of("all")).toEqual([
    ["a", "1"],
    ["b", "2"],
  ]);
  expect(of("b")).toEqual([["b", "2"]]);
  expect(() => of()).toThrow(
    "there are 2 stacks and none is chosen: give stack: write a, b or all",
  );
  expect(() => of("c")).toThrow('there is no stack "c": write a, b or all');
  expect(chooseStacks(readConfig("stacks: { a: }", path), undefined)).toEqual([
    { stack: "a", raw: {} },
  ]);
  expect(() => chooseStacks(readConfig("", path), "a")).toThrow("write no stack");
});

it("has a schema that knows the same keys, and finds the example good and typing errors bad", async () => {
  const schema = JSON.parse(await readFile(join(root, "sophon-keeper.schema.json"), "utf8"));
  const { stacks: _stacks, ...own } = schema.properties;
  expect(Object.keys(own)).toEqual([...configKeys().keys()]);
  const check = new Ajv({ strict: false }).compile(schema);
  const text = await readFile(join(root, "examples/sophon-keeper.yaml"), "utf8");
  expect(check(parse(text)), JSON.stringify(check.errors)).toBe(true);
  expect(Object.keys(readConfig(text, path).stacks)).toEqual(["home", "shop"]);
  for (const bad of [
    { "keep-dayly": 1 },
    { "keep-daily": "many" },
    { consistency: "maybe" },
    { passphrase: "x" },
    { "max-age": 36 },
    { stacks: { all: {} } },
    { stacks: { a: { "keep-last": 0 } } },
  ]) {
    expect(check(bad), JSON.stringify(bad)).toBe(false);
  }
});
