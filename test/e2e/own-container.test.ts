// @module-tag exhaustive
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { baseImage, ensureBaseImage } from "../lab/base-image.ts";
import { diff } from "../lab/compare.ts";
import { run, tryRun } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { labLabel, labPath } from "../lab/state.ts";
import { until } from "../lab/step.ts";
import { badVersions, goodVersions } from "../lab/versions.ts";
import { ageKey, keeper } from "./support/keeper.ts";

// The image of the Dockerfile, on the lab's Debian: what is shipped runs, from the committed dist/.

const image = `sophon-keeper-lab/program:${randomBytes(4).toString("hex")}`;
const root = join(import.meta.dirname, "../..");
const host = ["--pid", "host", "--network", "host", "--volume"];
/** A socket is in no backup; the password of the server's own role is hashed anew, with another salt. */
const ignore = [/agent\.sock: lost/, /postgres: role sophon: .*SCRAM-SHA-256/];
const socket = "/var/run/docker.sock:/var/run/docker.sock";

beforeAll(async () => {
  await ensureBaseImage();
  const packages = await labPath("program-image", "x").then((path) => join(path, ".."));
  await run([process.execPath, join(root, "scripts/package.ts"), packages]);
  const labels = ["--label", `${labLabel}=1`, "--build-arg", `BASE=${baseImage()}`];
  await run([
    ...["docker", "build", "--quiet", "--file", join(root, "Dockerfile"), ...labels],
    ...["--tag", image, packages],
  ]);
});
afterAll(async () => {
  await tryRun(["docker", "rmi", "--force", image]);
});

it("runs in a container on the paths of the host, and is refused where they are others", async () => {
  await using stack = await createStack({ tier: "pro", name: "own-container" });
  const at = (name: string) => join(stack.scratch, name);
  const { identity, recipient } = await ageKey(stack);
  const same = (...paths: string[]) => paths.flatMap((path) => ["--volume", `${path}:${path}`]);
  const signing = at("signing");
  const flags = ["--project-directory", stack.directory, "--repository", at("repository")];
  const name = `${stack.projectName}-keeper`;
  const inContainer = async (given: readonly string[], ...words: string[]) => {
    const start = ["docker", "run", "--rm", "--name", name, ...given, image];
    const ended = await tryRun([...start, ...words, ...flags, "--sign-key", join(signing, "key")]);
    return { ...ended, result: ended.stdout === "" ? undefined : JSON.parse(ended.stdout) };
  };
  const paths = same(stack.directory, stack.scratch);
  const right = [...host, socket, ...paths];
  await run(["mkdir", at("repository"), signing]);
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(signing, "key")]);

  const backup = ["backup", "--json", "--recipients", recipient];
  const refused = [
    [["--volume", socket, ...paths], "Start it with --pid host --network host."],
    [[...host, socket], `--volume ${stack.directory}:${stack.directory}`],
    [
      [...host, socket, "--volume", `/srv:${stack.directory}`, ...same(stack.scratch)],
      `--volume ${stack.directory}:`,
    ],
    [
      [...host, socket, ...same(stack.directory)],
      `--volume ${at("repository")}:${at("repository")}`,
    ],
  ] as const;
  for (const [given, hint] of refused) {
    const { code, result, stderr } = await inContainer(given, ...backup);
    expect(result, stderr).toMatchObject({ result: "refused", reason: { class: "in-container" } });
    expect([code, result.reason.hint]).toEqual([2, expect.stringContaining(hint)]);
  }
  expect(await readdir(at("repository"))).toEqual([]);
  const init = await inContainer(right, "init", "--json");
  expect(init.result, init.stderr).toMatchObject({ reason: { class: "in-container" } });
  const doctor = await inContainer(right, "doctor", "--json");
  expect(doctor.result.checks, doctor.stdout).toContainEqual(
    expect.objectContaining({ name: "stack", status: "pass" }),
  );

  const made = await inContainer(right, ...backup);
  expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
  const before = await snapshot(stack);
  const proved = await inContainer(
    right,
    "verify",
    "--json",
    "--level",
    "restore",
    "--identity",
    identity,
  );
  expect(proved.result, proved.stderr).toMatchObject({ result: "verified" });
  // Its own container, which mounts the stack's directory, and one that is left are no part of the stack.
  await run([
    "docker",
    "run",
    "--detach",
    "--name",
    `${name}-idle`,
    ...right,
    "--entrypoint",
    "sleep",
    image,
    "infinity",
  ]);
  try {
    const restored = await inContainer(right, "restore", "--json", "--identity", identity);
    expect(restored.result, restored.stderr).toMatchObject({ result: "restored" });
    expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
  } finally {
    await run(["docker", "rm", "--force", `${name}-idle`]);
  }

  const to = async (version: Parameters<typeof stack.publish>[0]) => {
    const images = ["--images", `sophon-gateway=${await stack.publish(version)}`];
    return await inContainer(
      right,
      "upgrade-test",
      "--json",
      "--recipients",
      recipient,
      "--soak",
      "3s",
      ...images,
    );
  };
  const failed = await to(badVersions["crash-loop"]);
  expect(failed.result, failed.stderr).toMatchObject({ result: "rolled-back" });
  const passed = await to(goodVersions["1.2.0"]);
  expect(passed.result, passed.stderr).toMatchObject({ result: "passed" });

  // A run that is killed is known to be dead by a run on the host, which goes on from there.
  const killed = inContainer(right, ...backup);
  const journal = at("repository/operations");
  await until(
    "it works",
    120_000,
    async () => existsSync(journal) && (await readdir(journal)).length > 0,
  );
  await run(["docker", "kill", name]);
  expect((await killed).code).toBe(137);
  const after = await keeper([
    "backup",
    "--recipients",
    recipient,
    "--sign-key",
    join(signing, "key"),
    ...flags,
  ]);
  expect(after.result, after.stderr).toMatchObject({ result: "backed-up" });
});
