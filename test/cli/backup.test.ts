import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { keeper } from "./keeper.ts";

// What is refused before the engine is even looked for: nobody listens at this address.
const env = { DOCKER_HOST: "unix:///nonexistent/docker.sock", HOME: "/nonexistent" };

it.each([
  [["--recipients", "age1typo"], 'recipients has "age1typo", which is not an age recipient'],
  [["--recipients", "@/nonexistent/keys"], "which is neither an age recipient nor a readable file"],
  [["--keep-daily", "-1"], 'keep-daily is "-1", which is out of range'],
  [["--upload", "s4"], 'upload is "s4": write one of none, artifact, cache, s3, rclone'],
  [["--keep-last", "none"], 'keep-last is "none": write a whole number'],
  [["--consistency", "hot"], 'consistency is "hot": write one of live, stopped'],
  [["--recipient", "x"], "unknown flag --recipient: did you mean --recipients?"],
])("backup %j is refused with exit 2", async (args, message) => {
  const run = await keeper(["backup", "--json", ...args], { env });
  expect(run.code).toBe(2);
  expect(JSON.parse(run.stdout)).toMatchObject({ result: "refused" });
  const { message: told } = JSON.parse(run.stdout).reason;
  expect(told).toContain(message);
  expect(told).not.toContain("\n");
});

it("takes no passphrase where every user of the host could read it", async () => {
  const run = await keeper(["backup", "--json", "--passphrase", "open sesame"], { env });
  expect(run.code).toBe(2);
  expect(run.stdout + run.stderr).not.toContain("sesame");
  expect(JSON.parse(run.stdout).reason.message).toContain("SOPHON_KEEPER_PASSPHRASE");
});

it("prune without a rule removes nothing and says which rules there are", async () => {
  const run = await keeper(["prune", "--json"], { env });
  expect(run.code).toBe(2);
  expect(JSON.parse(run.stdout).reason.message).toContain("give keep-last, keep-daily");
});

it("an engine that is down is refused, not a bug", async () => {
  const run = await keeper(["backup", "--json"], { env });
  expect(run.code).toBe(2);
  expect(JSON.parse(run.stdout).result).toBe("refused");
});

it("lists an empty repository, and a default one that no backup has made yet, as such", async () => {
  await using empty = await temporaryDirectory("sophon-keeper-empty-");
  for (const where of [
    ["--repository", empty.path],
    ["--project-name", "never-backed-up"],
  ]) {
    const run = await keeper(["list", "--json", ...where], { env });
    expect(run.code).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ result: "listed", backups: [] });
  }
});

it.each([
  ["list"],
  ["verify"],
  ["verify", "--max-age", "36h"],
  ["restore", "--target", "/nonexistent/copy"],
  ["prune", "--keep-last", "1"],
  ["prune", "--keep-last", "1", "--dry-run"],
  ["recover"],
])("%s %s refuses a repository that is not there, and makes none", async (...words) => {
  await using place = await temporaryDirectory("sophon-keeper-typo-");
  const typo = join(place.path, "typo");
  await mkdir(join(place.path, "sophon", "backups"), { recursive: true });
  await writeFile(join(place.path, "file"), "");
  for (const [path, what, name] of [
    [typo, "does not exist", "no-repository"],
    [join(place.path, "file"), "is not a directory", "not-a-repository"],
    [place.path, "is not a repository", "not-a-repository"],
  ] as const) {
    const args = [...words, "--json", "--project-name", "sophon", "--repository", path];
    const run = await keeper(args, { env });
    expect(run.code, run.stderr).toBe(2);
    const { reason } = JSON.parse(run.stdout);
    expect(reason.class).toBe(name);
    expect(reason.message).toContain(`repository: ${path} ${what}`);
  }
  expect(await readdir(place.path)).toEqual(["file", "sophon"]);
});
