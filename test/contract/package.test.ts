import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants, cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bundle } from "../../scripts/bundle.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";

// The package as its users get it: packed from a fresh build, installed into an empty directory.

const root = join(import.meta.dirname, "../..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const shipped = ["docs", "examples", "completions", "man", "sophon-keeper.schema.json"];
const megabyte = 1_000_000;
let place: Awaited<ReturnType<typeof temporaryDirectory>>;
let user: string;

beforeAll(async () => {
  place = await temporaryDirectory("sophon-keeper-package-");
  const sources = join(place.path, "sources");
  for (const name of ["package.json", "README.md", "LICENSE", "action.yml", ...shipped]) {
    cpSync(join(root, name), join(sources, name), { recursive: true });
  }
  await bundle(join(sources, "dist"));
  run(sources, ["npm", "pack", "--pack-destination", place.path]);
  user = join(place.path, "user");
  mkdirSync(user);
  run(user, ["npm", "install", "--offline", tarball()]);
});
afterAll(async () => {
  await place?.[Symbol.asyncDispose]();
});

it("installs one package of a few megabytes", () => {
  const installed = readdirSync(join(user, "node_modules")).filter((name) => name[0] !== ".");
  expect(installed).toEqual(["sophon-keeper"]);
  const bytes = readdirSync(user, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)).length)
    .reduce((sum, size) => sum + size, 0);
  expect(bytes).toBeGreaterThan(megabyte);
  expect(bytes).toBeLessThan(5 * megabyte);
});

it("runs with npx where it is installed, and straight from the tarball", () => {
  expect(run(user, ["npx", "sophon-keeper", "--version"])).toBe(`${version}\n`);
  expect(run(user, ["npx", "sophon-keeper", "--help"])).toContain("EVERY NIGHT\n  backup ");
  const elsewhere = join(place.path, "elsewhere");
  mkdirSync(elsewhere);
  const straight = [
    "npx",
    "--offline",
    "--yes",
    `--package=${tarball()}`,
    "sophon-keeper",
    "--version",
  ];
  expect(run(elsewhere, straight)).toBe(`${version}\n`);
});

it("refuses an older Node in one line with exit 2", ({ skip }) => {
  const old = olderNode();
  if (old === undefined) return skip("every Node of this machine is new enough");
  const cli = join(user, "node_modules", ".bin", "sophon-keeper");
  const ended = spawnSync(old, [cli, "--version"], { encoding: "utf8" });
  expect(ended.status).toBe(2);
  expect(ended.stdout).toBe("");
  expect(ended.stderr).toMatch(/^refused: Node \S+ is too old: run it with Node 24 or later\n$/);
});

function tarball(): string {
  return join(place.path, `sophon-keeper-${version}.tgz`);
}

/** What a program says on standard output, under the Node of the tests and without the settings of this checkout. */
function run(cwd: string, [program = "", ...words]: readonly string[]): string {
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  const env = { PATH: path, HOME: place.path, npm_config_cache: join(place.path, "cache") };
  return execFileSync(program, words, {
    cwd,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function olderNode(): string | undefined {
  const paths = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "node"));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      const said = execFileSync(path, ["--version"], { encoding: "utf8" });
      return Number(/\d+/.exec(said)?.[0]) < 24;
    } catch {
      return false;
    }
  });
}
