import { describe, expect, it, test } from "vitest";
import { parseArguments } from "../../../src/cli/arguments.ts";
import { RefusedError } from "../../../src/core/errors.ts";
import { commandNames } from "../../../src/options/command-names.ts";
import { readConfig } from "../../../src/options/config-file.ts";
import { type RawInputs, readReferences } from "../../../src/options/input-files.ts";
import { type InputName, inputSpec, inputs } from "../../../src/options/inputs.ts";
import { readValue } from "../../../src/options/values.ts";

// No item of a list can add another one: what somebody types into a workflow, or the name of a file, stays one item.

const places = { workingDirectory: "/srv", home: "/home/ada" };
const mine = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
const theirs = "age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z";
const names = Object.keys(inputs) as InputName[];
const listNames = names.filter((name) =>
  ["list", "choices", "images", "modes", "paths", "items", "recipients", "identities"].includes(
    inputSpec(name).kind,
  ),
);

const notThere = () => Promise.reject(new Error("ENOENT"));

async function itemsOf(name: InputName, text: string): Promise<unknown> {
  const raw = await readReferences({ [name]: text }, places, notThere);
  return readValue(name, inputSpec(name), raw[name] ?? "", places);
}

/** An item that is good for the input, and what somebody would add to it. */
function itemFor(name: InputName): [good: string, evil: string] {
  const { kind, choices = ["a", "b"] } = inputSpec(name);
  if (kind === "images") return ["web=img:1", "postgres=evil/img"];
  if (kind === "modes") return [`db=${choices[1]}`, `*=${choices[0]}`];
  if (kind === "choices") return [choices[1] ?? "", choices[2] ?? ""];
  if (kind === "recipients" || kind === "identities") return [mine, theirs];
  return ["/data/a", "/data/evil"];
}

describe.each(listNames)("%s", (name) => {
  const [good, evil] = itemFor(name);
  it.each([",", "\n", "\r\n", "\r", " ", ", ", '","', '"],["', "\t", "\0", "\\n"])(
    "has one item where %j is between two",
    async (between) => {
      const item = `${good}${between}${evil}`;
      for (const text of [JSON.stringify([item]), JSON.stringify(item)]) {
        const read = await itemsOf(name, text).catch((error: unknown) => error);
        if (read instanceof RefusedError) continue;
        expect(read).not.toBeInstanceOf(Error);
        const items = Array.isArray(read) ? read : Object.keys(read as object);
        expect(items).toHaveLength(1);
      }
    },
  );
});

const commandOf = (name: InputName) => inputSpec(name).commands[0] ?? "";
const ofCommandLine = listNames.filter(
  (name) => inputSpec(name).face !== "action" && !["identity"].includes(name),
);

test.each(ofCommandLine)("--%s given twice has the items of both, each in its form", (name) => {
  const [good] = itemFor(name);
  const flag = (value: string) => `--${name}=${value}`;
  const odd = JSON.stringify(["b,c", 'd"e']);
  const request = parseArguments([commandOf(name), flag(good), flag(odd)], commandNames);
  expect(request.kind).toBe("run");
  const { raw } = request as { raw: RawInputs };
  expect(JSON.parse(raw[name] ?? "")).toHaveLength(3);
});

test("the configuration file: a mapping's key and a list's item are one each", () => {
  const read = (text: string) => readConfig(text, "/srv/sophon-keeper.yaml").common;
  const modes = read('volume-consistency: { "db,*": freeze }')["volume-consistency"] ?? "";
  const value = readValue("volume-consistency", inputSpec("volume-consistency"), modes, places);
  expect(Object.keys(value as object)).toEqual(["db,*"]);
  expect(() => read('log-allow: ["a\\n.*"]')).toThrow(RefusedError);
  expect(() => read('trusted-signers: ["a\\nb"]')).toThrow(RefusedError);
  expect(read('log-allow: ["a", "b,c"]')["log-allow"]).toBe("a\nb,c");
});

test("a service whose name is a member of every object is no item that vanishes", () => {
  const read = (name: InputName, text: string) => readValue(name, inputSpec(name), text, places);
  expect(Object.keys(read("images", "__proto__=evil/img"))).toEqual(["__proto__"]);
});
