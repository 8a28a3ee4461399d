import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ls } from "../../../src/commands/ls.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { RefusedError } from "../../../src/core/errors.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Entry } from "../../../src/operations/browse/entries.ts";
import type { RawInputs } from "../../../src/options/input-files.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { resultText } from "../../../src/report/text.ts";
import { keyPair, makeBackup } from "./backup.ts";
import { copyOf, flip, seeded } from "./damage.ts";

const id = "sophon-20260102T030405Z-00aa";
const temporary = await temporaryDirectory("sophon-keeper-ls-");
const key = await keyPair();
let whole = "";

beforeAll(async () => {
  ({ directory: whole } = await makeBackup(temporary.path, { id, recipient: key.recipient }));
});
afterAll(() => temporary[Symbol.asyncDispose]());

async function list(raw: RawInputs = {}) {
  const options = parseOptions(
    "ls",
    { backup: whole, identity: key.identity, ...raw },
    { workingDirectory: "/", home: undefined },
  );
  return await ls(options, {
    ...{ reporter: silentReporter, clock: systemClock, signal: new AbortController().signal },
    ...{ version: "0.0.0", readInput: async () => new Uint8Array(), destinations: {} },
    host: {
      project: async () => {
        throw new RefusedError("there is no engine");
      },
    },
  });
}

const paths = async (raw: RawInputs) =>
  ((await list(raw)).entries as Entry[]).map(({ path }) => path);

it("lists what age, zstd and tar list: names, sizes, modes and times", async () => {
  const keyFile = join(temporary.path, "key.txt");
  await writeFile(keyFile, `${key.identity}\n`);
  const entries = (await list()).entries as Entry[];
  for (const [component, file] of [
    ["data", "data.tar.zst.age"],
    ["volume-uploads", "volume-uploads.tar.zst.age"],
  ]) {
    const told = execFileSync("bash", [
      "-c",
      `age -d -i "$1" "$2" | zstd -dc | tar --utc --full-time -tv --numeric-owner`,
      ...["-", keyFile, join(whole, file ?? "")],
    ]).toString();
    const expected = told
      .trimEnd()
      .split("\n")
      .map((line) => {
        const [, letters = "", size, date, time, name = ""] =
          /^(\S+) \S+ +(\d+) (\S+) (\S+) +\.?\/?(.*)$/.exec(line) ?? [];
        const path = name.replace(/\/$/, "");
        return {
          path: path === "" ? component : `${component}/${path}`,
          type: letters.startsWith("d") ? "directory" : "file",
          bytes: Number(size),
          modifiedAt: `${date}T${time?.slice(0, 8)}Z`,
        };
      });
    const ours = entries.filter(({ path }) => `${path}/`.startsWith(`${component}/`));
    expect(ours.map(({ mode: _, ...entry }) => entry)).toEqual(expected);
  }
  expect(entries.find(({ path }) => path === "data/security/vault.key")?.mode).toBe("0644");
});

it("limits the list to a file, a directory or a pattern", async () => {
  expect(await paths({ path: "data/security" })).toEqual([
    "data/security",
    "data/security/vault.key",
  ]);
  expect(await paths({ path: "/data/data/sophon.db\n./data/security/vault.key" })).toHaveLength(2);
  expect(new Set(await paths({ path: "**/file-[01]" }))).toEqual(
    new Set(["volume-uploads/file-0", "volume-uploads/file-1"]),
  );
  expect(resultText(await list({ path: "data/security/vault.key" }))).toContain(
    "  data/security/vault.key\n",
  );
});

it("says what is not there, what needs a key and what is damaged", async () => {
  await expect(list({ path: "data/nothing" })).rejects.toThrow(
    `path: nothing in ${id} is called data/nothing`,
  );
  await expect(list({ identity: "" })).rejects.toThrow("of one of its keys as identity");
  const damaged = await copyOf(whole, join(temporary.path, "elsewhere", id));
  await flip(damaged, seeded(2));
  await expect(list({ backup: damaged })).rejects.toMatchObject({ result: "damaged" });
});
